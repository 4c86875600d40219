/**
 * PyTorch's own files of tensors (`.pth`, `.pt`, `.bin`, `.ckpt`), read without running anything that they hold: of the
 * Python objects that they name only dictionaries, tensors and storages are known, and a file with any other is refused.
 */
import { arrayOfBytes, closeOnFailure, type DType, dtypes, QuintetError, sizeOf } from '../tensor/index.js';
import { type Checkpoint, type StoredTensor, tensorNamed } from './checkpoint.js';
import { describePickled, type Pickled, type PickledMap, PickledName, type PickleReader } from './pickle.js';
import { type ByteSource, sample } from './source.js';
import { type Extent, readTorchArchive } from './torch-archive.js';

/** Opens such a file: the description of its tensors is read and checked, the tensors are not. */
export function openTorch(source: ByteSource): Promise<Checkpoint> {
  return closeOnFailure([source], async () => {
    const { value, storages } = await readTorchArchive(source, readerFor(source.at));
    const places = new Map<string, Place>();
    let reordered = 0;
    for (const [name, tensor] of namedTensors(value, source.at)) {
      const place = await placeOf(name, tensor, storages, source);
      if (!('offset' in place.stored)) reordered += place.stored.byteLength;
      // Many tensors may be of one storage.
      if (reordered > source.size) {
        throw new QuintetError('limit', 'its tensors in the order of their axes are more than the file', {
          at: source.at,
        });
      }
      places.set(name, place);
    }
    return checkpointOf(source, places);
  });
}

/** Element types by the names of PyTorch's storages. */
const storageTypes: Readonly<Record<string, DType>> = {
  DoubleStorage: 'f64',
  FloatStorage: 'f32',
  HalfStorage: 'f16',
  BFloat16Storage: 'bf16',
  LongStorage: 'i64',
  IntStorage: 'i32',
  ShortStorage: 'i16',
  CharStorage: 'i8',
  ByteStorage: 'u8',
  BoolStorage: 'bool',
};

class TorchStorage {
  constructor(
    readonly dtype: DType,
    readonly key: string,
    /** Bytes. */
    readonly length: number,
  ) {}
}

class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    /** Elements before the first. */
    readonly start: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

function readerFor(at: string): PickleReader {
  const wrong = (what: string) => new QuintetError('format', what, { at });
  return {
    call(name, args) {
      const [first, second, third, fourth] = args;
      switch (name) {
        case 'collections.OrderedDict':
          return dictionaryOf(first, wrong);
        case 'torch._utils._rebuild_parameter':
          return first as Pickled;
        case 'torch._utils._rebuild_tensor':
        case 'torch._utils._rebuild_tensor_v2':
          if (!(first instanceof TorchStorage) || !isCount(second) || !areCounts(third) || !areCounts(fourth)) {
            throw wrong('a tensor that is not described as PyTorch does');
          }
          return new TorchTensor(first, second, third, fourth);
        default:
          throw new QuintetError('unsupported', `it calls ${name}, which a file of tensors has no need of`, {
            at,
            hint: 'nothing of it was run; save the state dict alone, or convert the file to safetensors where you trust it',
          });
      }
    },
    persistent(id) {
      const [kind, type, key, , count] = Array.isArray(id) ? id : [];
      const dtype = type instanceof PickledName ? storageTypes[type.name.replace(/^torch\./, '')] : undefined;
      if (kind !== 'storage' || typeof key !== 'string' || !isCount(count)) throw wrong('no storage of PyTorch');
      if (!dtype) throw new QuintetError('unsupported', `a storage of type ${describePickled(type ?? null)}`, { at });
      return new TorchStorage(dtype, key, count * dtypes[dtype].bytes);
    },
  };
}

/** Python 2 gives a dictionary its pairs when it makes it, Python 3 afterwards. */
function dictionaryOf(pairs: Pickled | undefined, wrong: (what: string) => QuintetError): PickledMap {
  const isPair = (pair: Pickled): boolean => Array.isArray(pair) && pair.length === 2;
  if (pairs === undefined) return new Map();
  if (!Array.isArray(pairs) || !pairs.every(isPair)) throw wrong('a dictionary of what are no pairs');
  return new Map(pairs as [Pickled, Pickled][]);
}

const isCount = (value: Pickled | undefined): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const areCounts = (value: Pickled | undefined): value is number[] => Array.isArray(value) && value.every(isCount);

/** Where training programs put the tensors of the model, beside what else they keep. */
const wrappers = ['state_dict', 'model_state_dict', 'model'];

function namedTensors(value: Pickled, at: string): Map<string, TorchTensor> {
  if (!(value instanceof Map)) {
    throw new QuintetError('unsupported', `it holds ${describePickled(value)} in place of named tensors`, { at });
  }
  const inner = wrappers.map((name) => value.get(name)).find((own) => own instanceof Map);
  const tensors = new Map<string, TorchTensor>();
  for (const [name, tensor] of (inner ?? value) as Map<Pickled, Pickled>) {
    if (typeof name === 'string' && tensor instanceof TorchTensor) tensors.set(name, tensor);
  }
  if (tensors.size === 0) throw new QuintetError('unsupported', 'it holds no named tensors', { at });
  return tensors;
}

interface Place {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its bytes where they lie in the file or, of a tensor that is stored in another order, in memory. */
  readonly stored: Extent | Uint8Array<ArrayBuffer>;
}

/** As many as PyTorch's own operators take. */
const mostAxes = 64;

async function placeOf(
  name: string,
  { storage, start, shape, strides }: TorchTensor,
  storages: ReadonlyMap<string, Extent>,
  source: ByteSource,
): Promise<Place> {
  const { dtype } = storage;
  const { bytes } = dtypes[dtype];
  if (shape.length > mostAxes)
    throw new QuintetError('limit', `the tensor ${name} has ${shape.length} axes`, { at: source.at });
  if (sizeOf(shape) === 0) return { dtype, shape, stored: new Uint8Array() };
  const extent = storages.get(storage.key);
  const span = shape.reduce((last, size, axis) => last + (size - 1) * (strides[axis] ?? 0), 1);
  const inside = extent && (start + span) * bytes <= Math.min(extent.length, storage.length);
  if (!inside || extent.offset + extent.length > source.size || strides.length !== shape.length) {
    throw new QuintetError('format', `the tensor ${name} lies outside of its storage`, { at: source.at });
  }
  const offset = extent.offset + start * bytes;
  if (isContiguous(shape, strides)) return { dtype, shape, stored: { offset, length: sizeOf(shape) * bytes } };
  if (sizeOf(shape) > span) {
    throw new QuintetError('unsupported', `the tensor ${name} repeats elements of its storage`, { at: source.at });
  }
  return { dtype, shape, stored: rowByRow(await source.read(offset, span * bytes), { shape, strides, bytes }) };
}

/** The elements of a tensor, of so many bytes each, in the order of its axes. */
function rowByRow(
  from: Uint8Array,
  {
    shape,
    strides,
    bytes,
  }: { readonly shape: readonly number[]; readonly strides: readonly number[]; readonly bytes: number },
): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(sizeOf(shape) * bytes);
  let done = 0;
  const copy = (axis: number, at: number): void => {
    if (axis === shape.length) {
      to.set(from.subarray(at * bytes, (at + 1) * bytes), done);
      done += bytes;
      return;
    }
    for (let i = 0; i < (shape[axis] as number); i++) copy(axis + 1, at + i * (strides[axis] as number));
  };
  copy(0, 0);
  return to;
}

/** Whether elements stand row by row; axes of one element may have any stride. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  return shape.reduceRight((so, size, axis) => {
    const fits = size === 1 || strides[axis] === step;
    step *= size;
    return so && fits;
  }, true);
}

function checkpointOf(source: ByteSource, places: ReadonlyMap<string, Place>): Checkpoint {
  const tensors = [...places].map(([name, { dtype, shape, stored }]): [string, StoredTensor] => [
    name,
    { name, dtype, shape, source: 'offset' in stored ? source.range(stored.offset, stored.length) : { bytes: stored } },
  ]);
  const readStored = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const { stored } = tensorNamed(places, name, source.at);
    return 'offset' in stored ? source.read(stored.offset, stored.length) : stored.slice();
  };
  return {
    tensors: new Map(tensors),
    metadata: new Map(),
    files: source.file === undefined ? [] : [source.file],
    readStored,
    async sample(name) {
      const { stored } = tensorNamed(places, name, source.at);
      return 'offset' in stored ? sample(source, stored) : [stored];
    },
    async read(name) {
      const { dtype, shape } = tensorNamed(places, name, source.at);
      return arrayOfBytes(dtype, shape, await readStored(name));
    },
    close: () => source.close(),
  };
}
