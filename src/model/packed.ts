/**
 * The weights of a language model as integers: made once as they are planned, kept in a file, and bound to sessions by ranges
 * of it.
 */
import { blockFormOf, derivedTensors, fingerprint, isQuantised, repack } from '../checkpoint/index.js';
import type { Declaration } from '../nn/index.js';
import { jointName, type System } from '../system/index.js';
import {
  type BlockForm,
  type InitializerSource,
  type PackedBlocks,
  packBlocks,
  packColumns,
  packNormalFloats,
  QuintetError,
} from '../tensor/index.js';
import type { Packed, PackedModel } from './compile.js';
import type { WeightsOption } from './forms.js';
import type { Model } from './model.js';
import {
  type FrozenIntegers,
  type FrozenUses,
  layoutOf,
  type Planned,
  type Planning,
  planFrozen,
  planPacking,
  sameForm,
  sizeOfUse,
  typesIn,
} from './packing-plan.js';

export interface PackingOptions {
  /** Default 'auto'. */
  readonly weights?: WeightsOption;
  /** The folder that packed weights are kept in; without one they are made again for each process, in memory. */
  readonly cache?: string | undefined;
  /** Called while weights are packed, which takes about a second for a hundred million. */
  readonly onPacking?: (made: number, total: number) => void;
}

/** The packed weights of a model's language side, which is all that `sides` build; undefined where nothing is packed. */
export async function packWeights(
  model: Model<System>,
  sides: Planning['sides'],
  { weights: option = 'auto', cache, onPacking }: PackingOptions = {},
): Promise<PackedModel | undefined> {
  if (model.engine.name !== 'native') return undefined;
  const folder = model.weights.files.length > 0 ? cache : undefined;
  const source = model.path === undefined ? {} : { source: model.path };
  const options = { folder, ...source, ...(onPacking ? { onProgress: onPacking } : {}) };
  const plan = planPacking({ network: model.network, adapt: model.adapt, sides, typeOf: typesIn(model) }, option);
  if (plan.blocks.length === 0) return undefined;
  const blocks = await pack(model, plan.blocks, options);
  if (plan.columns.length === 0) return { decode: blocks, prefill: undefined };
  const columns = await pack(model, plan.columns, options);
  const words = new Set(plan.blocks.filter((use) => use.words).map(({ names }) => jointName(names)));
  const prefill: Packed = {
    form: (name) => columns.form(name) ?? (words.has(name) ? blocks.form(name) : undefined),
    bind: (piece) => (piece.form === 'columns' ? columns : blocks).bind(piece),
  };
  return { decode: blocks, prefill };
}

/** What a training step multiplies with and does not learn, in integers: see `planFrozen`. */
export async function packFrozen(
  model: Model,
  uses: FrozenUses,
  integers: FrozenIntegers,
  { cache, onPacking }: PackingOptions = {},
): Promise<Packed | undefined> {
  if (model.engine.name !== 'native') return undefined;
  const vocab = 'backbone' in model.network ? (model.network as System).backbone.part.vocab : 0;
  const plan = planFrozen(uses, { typeOf: typesIn(model), vocab, integers });
  if (plan.length === 0 && integers === 'blocks') {
    throw new QuintetError('unsupported', 'no weight that does not learn is in blocks of integers', {
      at: model.weights.at,
      hint: 'blocks are those of a .gguf file; "frozen: nf4" makes some of any weights',
    });
  }
  if (plan.length === 0) return undefined;
  const folder = model.weights.files.length > 0 ? cache : undefined;
  return pack(model, plan, { folder, ...(onPacking ? { onProgress: onPacking } : {}) });
}

/** Packs weights in the given forms, or finds the file in which they are. */
async function pack(
  model: Model,
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
  const purpose = `packed 3 ${JSON.stringify(plan.map(({ names, form }) => [names, form]))}`;
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

function rangeOf(source: InitializerSource, offset: number, length: number): InitializerSource {
  if ('file' in source) return { file: source.file, offset: source.offset + offset, length };
  return { bytes: source.bytes.subarray(offset, offset + length) };
}

async function packOne(model: Model, use: Planned): Promise<Uint8Array> {
  const { names, rows, form } = use;
  const declarations = names.map((name) => model.declarations.get(name) as Declaration);
  if (typeof form === 'string') {
    const values = joined(await Promise.all(declarations.map((declaration) => valuesOf(model, use, declaration))));
    if (form === 'nf4') {
      // Of what is in four bits already, magnitudes were rounded when it was made.
      const again = model.weights.stored(declarations[0] as Declaration)?.dtype === 'bnb4';
      const { codes, magnitudes } = packNormalFloats(values, { again });
      return joined([magnitudes, codes].map(bytesIn));
    }
    const [count, width] = sizeOfUse(use);
    const { scales, codes } = packColumns(values, count);
    if (form !== 'columns both ways') return joined([scales, codes].map(bytesIn));
    const turned = packColumns(turn(values, count), width);
    return joined([scales, turned.scales, codes, turned.codes].map(bytesIn));
  }
  const packed = await Promise.all(declarations.map((declaration) => blocksOf(model, { ...use, form }, declaration)));
  const minima = packed.flatMap(({ minima }, i) => (minima ? [{ minima, rows: rows[i] as number }] : []));
  const pieces = [
    ...packed.map(({ scales }) => scales),
    ...(minima.length > 0 ? [turned(minima)] : []),
    ...packed.map(({ codes }) => codes),
  ];
  return joined(pieces.map(bytesIn));
}

/** [N, K] -> [K, N] */
function turn(values: Float32Array, count: number): Float32Array {
  const width = values.length / count;
  const result = new Float32Array(values.length);
  for (let n = 0; n < count; n++)
    for (let k = 0; k < width; k++) result[k * count + n] = values[n * width + k] as number;
  return result;
}

/** [N, K] */
async function valuesOf(
  { weights }: Model,
  { inOut, width }: Planned,
  declaration: Declaration,
): Promise<Float32Array> {
  const stored = (await weights.read(declaration)).data as Float32Array;
  return inOut ? turn(stored, width) : stored;
}

async function blocksOf(
  model: Model,
  use: Planned & { readonly form: BlockForm },
  declaration: Declaration,
): Promise<PackedBlocks> {
  const { form, inOut } = use;
  const stored = model.weights.stored(declaration);
  if (stored && !inOut && isQuantised(stored.dtype) && sameForm(blockFormOf(stored.dtype), form)) {
    return repack(stored.dtype, await stored.readBytes());
  }
  return packBlocks(await valuesOf(model, use, declaration), form.bits, form.block);
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
