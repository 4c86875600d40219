/** Where a native session finds its initialisers: ranges of files that it maps, and memory of the host. */
import { realpathSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import type { ExternalRange, OnnxInitializer, OnnxModel } from '../onnx/index.js';
import { QuintetError } from '../tensor/index.js';

/**
 * From this size on, an initialiser in memory is handed to the engine where it is instead of being copied into the
 * model, whose size protobuf limits to 2 GiB. Smaller ones are shapes and scalars, which the engine reads while it loads.
 */
const HANDED_OVER_BYTES = 1024;

export interface Weights {
  /** The folder that `locations` are relative to; undefined without files. */
  readonly folder: string | undefined;
  /** The initialisers that are handed over, in order, with their bytes. */
  readonly handed: readonly (OnnxInitializer & { readonly bytes: Uint8Array })[];
  place(initializer: OnnxInitializer): ExternalRange | undefined;
}

/**
 * ONNX Runtime maps files below one folder, by paths that may not leave it, not even through a symbolic link (which is
 * how the Hugging Face cache is built). So links are resolved first, and the folder is the deepest that holds all files:
 * they stay mapped wherever they are.
 */
export function placeWeights(model: OnnxModel): Weights {
  const real = new Map<string, string>();
  const handed: (OnnxInitializer & { readonly bytes: Uint8Array })[] = [];
  for (const initializer of model.initializers) {
    const { source } = initializer;
    if ('file' in source) {
      if (!real.has(source.file)) real.set(source.file, realPath(source.file));
    } else if (source.bytes.byteLength >= HANDED_OVER_BYTES) {
      handed.push({ ...initializer, bytes: source.bytes });
    }
  }
  const folder = real.size > 0 ? commonFolder([...real.values()]) : undefined;
  return {
    folder,
    handed,
    place({ source }) {
      if ('file' in source) {
        const { file, offset, length } = source;
        const location = relative(folder as string, real.get(file) as string).replaceAll(sep, '/');
        return { location, offset, length };
      }
      const length = source.bytes.byteLength;
      // The engine replaces it by what it is handed under its name, and never looks for such a file.
      return length >= HANDED_OVER_BYTES ? { location: 'memory', offset: 0, length } : undefined;
    },
  };
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch (cause) {
    throw new QuintetError('not-found', 'the file of these weights cannot be read', { at: file, cause });
  }
}

/** The deepest folder that holds all of the given files. */
function commonFolder(files: readonly string[]): string {
  let folder = dirname(files[0] as string);
  for (const file of files) {
    while (!file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      const above = dirname(folder);
      if (above === folder) {
        throw new QuintetError('unsupported', `weights lie on two drives: ${files[0]} and ${file}`);
      }
      folder = above;
    }
  }
  return folder;
}
