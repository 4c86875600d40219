/**
 * Weights that bitsandbytes has rounded to four bits, read as the numbers that they stand for. Of a weight `w` a file holds
 * two codes a byte, the first in the high half, in blocks of the flat weight; `w.quant_map`, what each code stands for;
 * `w.absmax`, the largest magnitude of each block, itself often rounded to eight bits in blocks (double quantisation:
 * `w.nested_absmax`, `w.nested_quant_map` and an offset); and `w.quant_state.bitsandbytes__nf4` (or `__fp4`), a JSON text.
 *
 * Dettmers et al., "QLoRA", 2023, https://arxiv.org/abs/2305.14314; layout: `QuantState.as_dict` of
 * https://github.com/bitsandbytes-foundation/bitsandbytes
 */
import {
  closeOnFailure,
  fields,
  type HostArray,
  hostArray,
  parseJson,
  QuintetError,
  sizeOf,
  toNumbers,
} from '../tensor/index.js';
import { type Checkpoint, type StoredTensor, tensorNamed } from './checkpoint.js';
import { quoted } from './json-scanner.js';

const stateOf = /^(.*)\.quant_state\.bitsandbytes__(nf4|fp4)$/s;
const beside = ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'];

/** What a file says of a weight. */
interface State {
  readonly shape: readonly number[];
  readonly block: number;
  /** Of absmax, where it is rounded too. */
  readonly nested: { readonly block: number; readonly offset: number } | undefined;
}

/** The checkpoint with its weights of four bits as f32; itself where it has none. It is closed where that fails. */
export async function readingBitsandbytes(checkpoint: Checkpoint, at: string): Promise<Checkpoint> {
  const states = new Map<string, State>();
  await closeOnFailure([checkpoint], async () => {
    for (const name of checkpoint.tensors.keys()) {
      const weight = stateOf.exec(name)?.[1];
      if (weight !== undefined) states.set(weight, await readState(checkpoint, weight, name, at));
    }
  });
  if (states.size === 0) return checkpoint;
  const hidden = new Set([...states.keys()].flatMap((weight) => beside.map((piece) => `${weight}.${piece}`)));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, stored] of checkpoint.tensors) {
    const state = states.get(name);
    if (state) tensors.set(name, { ...stored, dtype: 'bnb4', shape: state.shape });
    else if (!hidden.has(name) && !stateOf.test(name)) tensors.set(name, stored);
  }
  const read = async (name: string): Promise<HostArray> => {
    const state = states.get(name);
    return state ? dequantised(checkpoint, name, state) : checkpoint.read(tensorNamed(tensors, name, at).name);
  };
  return { ...checkpoint, tensors, read };
}

function stateError(weight: string, what: string, at: string): QuintetError {
  return new QuintetError('format', `the weight ${quoted(weight)} of four bits: ${what}`, { at });
}

/** Reads a weight's state, and checks that all that belongs to it is there and as large as it says. */
async function readState(checkpoint: Checkpoint, weight: string, name: string, at: string): Promise<State> {
  const sizes = (piece: string): number => sizeOf(pieceOf(checkpoint, weight, piece, at).shape);
  if (sizeOf(tensorNamed(checkpoint.tensors, name, at).shape) > largestState) {
    throw stateError(weight, 'its state is too large', at);
  }
  const text = new TextDecoder().decode(await checkpoint.readStored(name));
  const state = fields(parseJson(text, `${at}: ${name}`, { values: 100 }), `${at}: ${name}`);
  const [shape, block] = [state.numbers('shape'), state.whole('blocksize')];
  const isNested = checkpoint.tensors.has(`${weight}.nested_absmax`);
  const nested = isNested
    ? { block: state.whole('nested_blocksize'), offset: state.number('nested_offset') }
    : undefined;
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim > 0)) throw stateError(weight, `the shape [${shape}]`, at);
  const values = shape.reduce((a, b) => a * b, 1);
  if (block < 1 || (nested && nested.block < 1)) throw stateError(weight, `blocks of ${block} values`, at);
  const blocks = Math.ceil(values / block);
  const expected = [
    ['', Math.ceil(values / 2)],
    ['absmax', blocks],
    ['quant_map', codes],
    ...(nested
      ? ([
          ['nested_absmax', Math.ceil(blocks / nested.block)],
          ['nested_quant_map', 256],
        ] as const)
      : []),
  ] as const;
  for (const [piece, size] of expected) {
    if (sizes(piece) === size) continue;
    throw stateError(
      weight,
      `${sizes(piece)} values of ${piece || 'codes'} for the shape [${shape}], expected ${size}`,
      at,
    );
  }
  return { shape, block, nested };
}

/** Texts of some 170 bytes. */
const largestState = 2 ** 16;

const codes = 16;

const pieceOf = (checkpoint: Checkpoint, weight: string, piece: string, at: string): StoredTensor =>
  tensorNamed(checkpoint.tensors, piece === '' ? weight : `${weight}.${piece}`, at);

/** The numbers that a weight stands for. */
async function dequantised(
  checkpoint: Checkpoint,
  weight: string,
  { shape, block, nested }: State,
): Promise<HostArray> {
  const bytes = await checkpoint.readStored(weight);
  const read = async (piece: string): Promise<number[]> => toNumbers(await checkpoint.read(`${weight}.${piece}`));
  const map = Float32Array.from(await read('quant_map'));
  const largest = await read('absmax');
  if (nested) {
    const [outer, steps] = [await read('nested_absmax'), await read('nested_quant_map')];
    for (const [i, code] of largest.entries()) {
      const rounded = Math.fround((steps[code] as number) * (outer[Math.floor(i / nested.block)] as number));
      largest[i] = Math.fround(rounded + nested.offset);
    }
  }
  const values = new Float32Array(sizeOf(shape));
  for (let i = 0; i < values.length; i++) {
    const byte = bytes[i >> 1] as number;
    values[i] = (map[i & 1 ? byte & 15 : byte >> 4] as number) * (largest[Math.floor(i / block)] as number);
  }
  return hostArray('f32', shape, values);
}
