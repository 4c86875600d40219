/**
 * The weights of a language model as integers: planned from what the model does with each of them, made once, kept in a
 * file, and bound to sessions by ranges of it.
 */
import { blockFormOf, derivedTensors, fingerprint, isQuantised, repack } from '../checkpoint/index.js';
import { type Declaration, type Params, rootScope, wrapScope } from '../nn/index.js';
import { piecesOf, type System, type WeightForm } from '../system/index.js';
import {
  type BlockForm,
  byteSizeOf,
  type InitializerSource,
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

/** What a model does with a weight [rows, width]. */
interface Use {
  readonly size: readonly [rows: number, width: number];
  /** Whether it is a table of words, or the head that scores them. */
  readonly words: boolean;
}

/** The packed weights of a model's language side, which `build` describes; undefined where nothing is packed. */
export async function packWeights(
  model: Model<System>,
  build: (p: Params) => unknown,
  { weights: option = 'auto', cache, onPacking }: PackingOptions = {},
): Promise<PackedModel | undefined> {
  if (option === 'f32' || model.engine.name !== 'native') return undefined;
  const uses = usesOf(model, build);
  const forms = new Map<string, WeightForm>();
  for (const [name, use] of uses) {
    const form = blockForm(model, name, use, option);
    if (form) forms.set(name, form);
  }
  if (forms.size === 0) return undefined;
  const options = {
    folder: model.weights.files.length > 0 ? cache : undefined,
    ...(onPacking ? { onProgress: onPacking } : {}),
  };
  const blocks = await pack(model, uses, forms, options);
  if (option === 'int4') return { decode: blocks, prefill: undefined };
  const products = [...forms.keys()].filter((name) => uses.get(name)?.words === false);
  const columns = await pack(model, uses, new Map(products.map((name) => [name, 'columns'])), options);
  const prefill: Packed = {
    form: (name) => columns.form(name) ?? blocks.form(name),
    bind: (piece) => (piece.form === 'columns' ? columns : blocks).bind(piece),
  };
  return { decode: blocks, prefill };
}

/** The weights that a model multiplies with or looks up, by name. */
function usesOf({ network, adapt }: Model<System>, build: (p: Params) => unknown): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  const note = (p: Params, name: string, size: readonly [number, number], words: boolean): void => {
    const full = p.path === '' ? name : `${p.path}.${name}`;
    uses.set(full, { size, words: words || (uses.get(full)?.words ?? false) });
  };
  const { vocab } = network.backbone.part;
  build(
    adapt(
      wrapScope(rootScope().p, (inner) => ({
        product(name, x, out, init) {
          note(inner, name, [out, x.size(-1)], out === vocab);
          return inner.product(name, x, out, init);
        },
        rows(name, ids, table, init) {
          note(inner, name, [table[0], table[1]], true);
          return inner.rows(name, ids, table, init);
        },
      })),
    ),
  );
  return uses;
}

/** How a weight is held in blocks; undefined where it stays as it is. */
function blockForm(
  { weights, declarations }: Model<System>,
  name: string,
  { size, words }: Use,
  option: WeightsOption,
): BlockForm | undefined {
  const declaration = declarations.get(name);
  const stored = declaration && weights.stored(declaration);
  if (!stored) return undefined;
  const exact = isQuantised(stored.dtype) ? blockFormOf(stored.dtype) : undefined;
  const fits = (form: BlockForm) => (size[1] % form.block === 0 ? form : undefined);
  if (exact && (exact.bits === 4 || words || option !== 'int4')) return fits(exact);
  if (option === 'auto') return undefined;
  // Words are told apart by small differences, and scored by the same table: four bits are too few for them.
  return fits({ bits: words || option === 'int8' ? 8 : 4, block: 32, minima: false });
}

/** Packs weights in the given forms, or finds the file in which they are. */
async function pack(
  model: Model<System>,
  uses: ReadonlyMap<string, Use>,
  forms: ReadonlyMap<string, WeightForm>,
  options: Parameters<typeof derivedTensors>[2],
): Promise<Packed> {
  const sizeOf = (name: string) => (uses.get(name) as Use).size;
  const tensors = [...forms].map(([name, form]) => ({
    name,
    length: layoutOf(form, sizeOf(name)).length,
    make: () => packOne(model, model.declarations.get(name) as Declaration, form, sizeOf(name)),
  }));
  // The first word changes when packing does.
  const purpose = `packed 1 ${JSON.stringify([...forms])}`;
  const key = options.folder === undefined ? '' : await fingerprint(model.weights.files, purpose);
  const places = await derivedTensors(key, tensors, options);
  return {
    form: (name) => forms.get(name),
    bind: ({ weight, piece, form }) => {
      const part = layoutOf(form, sizeOf(weight)).parts.find((other) => other.piece === piece);
      const source = places.get(weight);
      if (!part || !source) throw new QuintetError('name', `${weight} has no packed ${piece}`);
      return { dtype: part.dtype, source: rangeOf(source, part.offset, part.length) };
    },
  };
}

/** Where the pieces of a packed weight lie, one behind the other. */
function layoutOf(form: WeightForm, size: readonly [number, number]) {
  let offset = 0;
  const parts = piecesOf(form, size).map(({ piece, dtype, shape }) => {
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

async function packOne(
  { weights }: Model<System>,
  declaration: Declaration,
  form: WeightForm,
  [rows]: readonly [number, number],
): Promise<Uint8Array> {
  const packed = await packedPieces();
  const pieces = [packed.scales, ...('minima' in packed && packed.minima ? [packed.minima] : []), packed.codes];
  return Buffer.concat(pieces.map((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));

  async function packedPieces() {
    const stored = weights.stored(declaration);
    if (form !== 'columns' && stored && isQuantised(stored.dtype) && sameForm(blockFormOf(stored.dtype), form)) {
      return repack(stored.dtype, await stored.readBytes());
    }
    const { data } = await weights.read(declaration);
    const values = data as Float32Array;
    return form === 'columns' ? packColumns(values, rows) : packBlocks(values, form.bits, form.block);
  }
}

function sameForm(a: BlockForm, b: BlockForm): boolean {
  return a.bits === b.bits && a.block === b.block && a.minima === b.minima;
}
