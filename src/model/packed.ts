/**
 * The weights of a language model as integers: planned from what the model does with each of them, made once, kept in a
 * file, and bound to sessions by ranges of it.
 */
import { blockFormOf, derivedTensors, fingerprint, isQuantised, repack } from '../checkpoint/index.js';
import { type Declaration, type Params, rootScope, wrapScope } from '../nn/index.js';
import { jointName, piecesOf, type System, type WeightForm } from '../system/index.js';
import {
  type BlockForm,
  byteSizeOf,
  type InitializerSource,
  type PackedBlocks,
  packBlocks,
  packColumns,
  QuintetError,
} from '../tensor/index.js';
import type { Packed, PackedModel } from './compile.js';
import type { Model } from './model.js';

/**
 * How the weights of a language model are held. `auto`: blocks of integers as a file has them, exactly, and prompts in
 * eight bits; everything else in f32. `int4` and `int8`: rounded to blocks of four or eight bits where the file does not
 * have blocks already; `int4` also reads prompts with the blocks, in the least memory. `f32`: as floating-point numbers.
 */
export type WeightsOption = 'auto' | 'f32' | 'int8' | 'int4';

export interface PackingOptions {
  /** Default 'auto'. */
  readonly weights?: WeightsOption;
  /** The folder that packed weights are kept in; without one they are made again for each process, in memory. */
  readonly cache?: string | undefined;
  /** Called while weights are packed, which takes about a second for a hundred million. */
  readonly onPacking?: (made: number, total: number) => void;
}

/** Weights that a model multiplies with the same operand, or looks up in: mostly one. */
interface Use {
  readonly names: readonly string[];
  /** Rows of each. */
  readonly rows: readonly number[];
  readonly width: number;
  /** Whether it is a table of words, or the head that scores them. */
  readonly words: boolean;
}

const sizeOf = ({ rows, width }: Use): [number, number] => [rows.reduce((sum, own) => sum + own, 0), width];

/** The packed weights of a model's language side, which `build` describes; undefined where nothing is packed. */
export async function packWeights(
  model: Model<System>,
  build: (p: Params) => unknown,
  { weights: option = 'auto', cache, onPacking }: PackingOptions = {},
): Promise<PackedModel | undefined> {
  if (option === 'f32' || model.engine.name !== 'native') return undefined;
  const folder = model.weights.files.length > 0 ? cache : undefined;
  const options = { folder, ...(onPacking ? { onProgress: onPacking } : {}) };
  const plan = [...usesOf(model, build)].flatMap((use) => planned(model, use, option));
  if (plan.length === 0) return undefined;
  const blocks = await pack(model, plan, options);
  if (option === 'int4') return { decode: blocks, prefill: undefined };
  // Alone, since long products gain nothing from being computed at once, and taking the results apart costs a copy.
  const products = plan.flatMap((use) =>
    use.words
      ? []
      : use.names.map((name, i) => ({
          ...use,
          names: [name],
          rows: [use.rows[i] as number],
          form: 'columns' as const,
        })),
  );
  const columns = await pack(model, products, options);
  const words = new Set(plan.filter((use) => use.words).map(({ names }) => jointName(names)));
  const prefill: Packed = {
    form: (name) => columns.form(name) ?? (words.has(name) ? blocks.form(name) : undefined),
    bind: (piece) => (piece.form === 'columns' ? columns : blocks).bind(piece),
  };
  return { decode: blocks, prefill };
}

/** The weights that a model multiplies with or looks up. */
function usesOf({ network, adapt }: Model<System>, build: (p: Params) => unknown): Iterable<Use> {
  const uses = new Map<string, Use>();
  const { vocab } = network.backbone.part;
  const note = (names: readonly string[], rows: readonly number[], width: number, words: boolean): void => {
    const key = jointName(names);
    uses.set(key, { names, rows, width, words: words || (uses.get(key)?.words ?? false) });
  };
  const full = (p: Params, name: string): string => (p.path === '' ? name : `${p.path}.${name}`);
  const noting = (p: Params): Params =>
    wrapScope(p, (inner) => ({
      product(name, x, out, init) {
        note([full(inner, name)], [out], x.size(-1), out === vocab);
        return inner.product(name, x, out, init);
      },
      products(layers, x, init) {
        const names = layers.map(([layer]) => full(inner, `${layer}.weight`));
        note(
          names,
          layers.map(([, out]) => out),
          x.size(-1),
          false,
        );
        return inner.products(layers, x, init);
      },
      rows(name, ids, table, init) {
        note([full(inner, name)], [table[0]], table[1], true);
        return inner.rows(name, ids, table, init);
      },
    }));
  build(adapt(noting(rootScope().p)));
  return uses.values();
}

type Planned = Use & { readonly form: WeightForm };

/** How weights are held: together where all can be held alike, those that stay as they are left out. */
function planned(model: Model<System>, use: Use, option: WeightsOption): Planned[] {
  const single = use.names.flatMap((name, i): (Use & { readonly form: BlockForm })[] => {
    const form = blockForm(model, name, use, option);
    return form ? [{ ...use, names: [name], rows: [use.rows[i] as number], form }] : [];
  });
  const [first] = single;
  const alike =
    single.length === use.names.length &&
    single.every(({ form }) => sameForm(form, (first as { form: BlockForm }).form));
  return first && alike ? [{ ...use, form: first.form }] : single;
}

/** How a weight is held in blocks; undefined where it stays as it is. */
function blockForm(
  { weights, declarations }: Model<System>,
  name: string,
  { width, words }: Use,
  option: WeightsOption,
): BlockForm | undefined {
  const declaration = declarations.get(name);
  const stored = declaration && weights.stored(declaration);
  if (!stored) return undefined;
  const exact = isQuantised(stored.dtype) ? blockFormOf(stored.dtype) : undefined;
  const fits = (form: BlockForm) => (width % form.block === 0 ? form : undefined);
  if (exact && (exact.bits === 4 || words || option !== 'int4')) return fits(exact);
  if (option === 'auto') return undefined;
  // Words are told apart by small differences, and scored by the same table: four bits are too few for them.
  return fits({ bits: words || option === 'int8' ? 8 : 4, block: 32, minima: false });
}

/** Packs weights in the given forms, or finds the file in which they are. */
async function pack(
  model: Model<System>,
  plan: readonly Planned[],
  options: Parameters<typeof derivedTensors>[2],
): Promise<Packed> {
  const byName = new Map(plan.map((use) => [jointName(use.names), use]));
  const tensors = [...byName].map(([name, use]) => ({
    name,
    length: layoutOf(use).length,
    make: () => packOne(model, use),
  }));
  // The number changes when packing does.
  const purpose = `packed 2 ${JSON.stringify(plan.map(({ names, form }) => [names, form]))}`;
  const key = options.folder === undefined ? '' : await fingerprint(model.weights.files, purpose);
  const places = await derivedTensors(key, tensors, options);
  return {
    form: (name) => byName.get(name)?.form,
    bind: ({ weight, piece }) => {
      const part = layoutOf(byName.get(weight) as Planned).parts.find((other) => other.piece === piece);
      const source = places.get(weight);
      if (!part || !source) throw new QuintetError('name', `${weight} has no packed ${piece}`);
      return { dtype: part.dtype, source: rangeOf(source, part.offset, part.length) };
    },
  };
}

/** Where the pieces of a packed weight lie, one behind the other. */
function layoutOf(use: Planned) {
  let offset = 0;
  const parts = piecesOf(use.form, sizeOf(use)).map(({ piece, dtype, shape }) => {
    const length = byteSizeOf(dtype, shape);
    const part = { piece, dtype, offset, length };
    offset += length;
    return part;
  });
  return { parts, length: offset };
}

function rangeOf(source: InitializerSource, offset: number, length: number): InitializerSource {
  if ('file' in source) return { file: source.file, offset: source.offset + offset, length };
  return { bytes: source.bytes.subarray(offset, offset + length) };
}

async function packOne(model: Model<System>, use: Planned): Promise<Uint8Array> {
  const { names, rows, form } = use;
  const declarations = names.map((name) => model.declarations.get(name) as Declaration);
  if (form === 'columns') {
    const values = await Promise.all(declarations.map((declaration) => valuesOf(model, declaration)));
    const { scales, codes } = packColumns(joined(values), sizeOf(use)[0]);
    return joined([scales, codes].map(bytesIn));
  }
  const packed = await Promise.all(declarations.map((declaration) => blocksOf(model, declaration, form)));
  const minima = packed.flatMap(({ minima }, i) => (minima ? [{ minima, rows: rows[i] as number }] : []));
  const pieces = [
    ...packed.map(({ scales }) => scales),
    ...(minima.length > 0 ? [turned(minima)] : []),
    ...packed.map(({ codes }) => codes),
  ];
  return joined(pieces.map(bytesIn));
}

async function valuesOf({ weights }: Model, declaration: Declaration): Promise<Float32Array> {
  return (await weights.read(declaration)).data as Float32Array;
}

async function blocksOf(model: Model, declaration: Declaration, form: BlockForm): Promise<PackedBlocks> {
  const stored = model.weights.stored(declaration);
  if (stored && isQuantised(stored.dtype) && sameForm(blockFormOf(stored.dtype), form)) {
    return repack(stored.dtype, await stored.readBytes());
  }
  return packBlocks(await valuesOf(model, declaration), form.bits, form.block);
}

/** Minima [N, C] of several weights as one [C, all N]: a product reads them without turning them. */
function turned(parts: readonly { readonly minima: Float32Array; readonly rows: number }[]): Float32Array {
  const all = parts.reduce((sum, { rows }) => sum + rows, 0);
  const result = new Float32Array(parts.reduce((sum, { minima }) => sum + minima.length, 0));
  const count = result.length / all;
  let before = 0;
  for (const { minima, rows } of parts) {
    for (let i = 0; i < minima.length; i++) {
      const [n, c] = [Math.floor(i / count), i % count];
      result[c * all + before + n] = minima[i] as number;
    }
    before += rows;
  }
  return result;
}

const bytesIn = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function joined<T extends Uint8Array | Float32Array>(parts: readonly T[]): T {
  const [first] = parts as readonly [T];
  if (parts.length === 1) return first;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const result = new (first.constructor as new (length: number) => T)(length);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function sameForm(a: BlockForm, b: BlockForm): boolean {
  return a.bits === b.bits && a.block === b.block && a.minima === b.minima;
}
