/**
 * Several checkpoints as one: each under a prefix of its own. `model.parts.json` makes one model of published files where
 * they lie: `{ "parts": { "vision_tower": "encoder.safetensors", "language_model": "chat.gguf" } }`.
 */
import { closeAll, closeOnFailure, fields, parseJson, QuintetError } from '../tensor/index.js';
import { type Checkpoint, type StoredTensor, tensorNamed } from './checkpoint.js';
import { quoted } from './json-scanner.js';
import { isPlainName, isWeightsFile } from './weights-file.js';

/** Tensors are called PREFIX.NAME; what the files say of themselves is told together, of the first one that says it. */
export function joinCheckpoints(parts: ReadonlyMap<string, Checkpoint>, at: string): Checkpoint {
  const places = new Map<string, { readonly checkpoint: Checkpoint; readonly stored: StoredTensor }>();
  for (const [prefix, checkpoint] of parts) {
    for (const stored of checkpoint.tensors.values()) places.set(`${prefix}.${stored.name}`, { checkpoint, stored });
  }
  const placeOf = (name: string) => tensorNamed(places, name, at);
  const checkpoints = [...parts.values()];
  return {
    tensors: new Map([...places].map(([name, { stored }]) => [name, under(name, stored)])),
    files: checkpoints.flatMap(({ files }) => files),
    metadata: new Map(checkpoints.toReversed().flatMap(({ metadata }) => [...metadata])),
    read: async (name) => placeOf(name).checkpoint.read(placeOf(name).stored.name),
    readStored: async (name) => placeOf(name).checkpoint.readStored(placeOf(name).stored.name),
    sample: async (name) => placeOf(name).checkpoint.sample(placeOf(name).stored.name),
    close: () => closeAll(...checkpoints),
  };
}

/** The model of a `model.parts.json`, whose files `open` opens. */
export async function openParts(
  text: string,
  at: string,
  open: (file: string) => Promise<Checkpoint>,
): Promise<Checkpoint> {
  const opened: Checkpoint[] = [];
  return closeOnFailure(opened, async () => {
    const files = [...parsePartsFile(text, at)];
    for (const [, file] of files) opened.push(await open(file));
    return joinCheckpoints(new Map(files.map(([prefix], i) => [prefix, opened[i] as Checkpoint])), at);
  });
}

/** The same tensor by another name; its source is asked for only when it is needed. */
function under(name: string, stored: StoredTensor): StoredTensor {
  const { dtype, shape } = stored;
  return {
    ...{ name, dtype, shape },
    get source() {
      return stored.source;
    },
  };
}

export const largestPartsFile = 2 ** 16;

/**
 * The files of `model.parts.json` by their prefixes. They are plain names of weight files beside it: a path that leaves the
 * folder, or an index of further files, is refused.
 */
function parsePartsFile(text: string, at: string): Map<string, string> {
  const parts = fields(parseJson(text, at, { values: 1000 }), at).object('parts');
  const files = new Map<string, string>();
  for (const prefix of Object.keys(parts.raw)) {
    const file = parts.text(prefix);
    if (!/^[\w.]+$/.test(prefix)) throw new QuintetError('format', `${quoted(prefix)} is no prefix`, { at });
    if (!isPlainName(file) || !isWeightsFile(file)) {
      throw new QuintetError(
        'format',
        `the part ${quoted(prefix)} is in ${quoted(file)}, which is no file of weights`,
        {
          at,
          hint: 'Parts are .safetensors, .gguf or PyTorch files beside this one, named without a path.',
        },
      );
    }
    files.set(prefix, file);
  }
  if (files.size === 0) throw new QuintetError('format', 'no entries in "parts"', { at });
  return files;
}
