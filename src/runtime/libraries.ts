/** Shared libraries by koffi, whose settings are the process's own. */

import koffi from 'koffi';

/** A pointer of C. */
export type Pointer = bigint;

export type Library = ReturnType<typeof koffi.load>;

/** Session creation recurses along the graph: koffi's own stacks overflow on graphs of some thousand nodes. */
const STACK_BYTES = 16 << 20;

/** Calls running or waiting for a thread. */
const MAX_CALLS = 4096;

export interface LibraryOptions {
  /** Whether other libraries find its functions by their names; default false. */
  readonly global?: boolean;
}

// Held for the life of the process: koffi unloads a library whose handle is collected, functions in use or not.
const loaded = new Map<string, Library>();

/** Loads a library, once a path. Throws what the system says where that fails. */
export function loadLibrary(path: string, { global = false }: LibraryOptions = {}): Library {
  const known = loaded.get(path);
  if (known) return known;
  configure();
  const library = koffi.load(path, { global });
  loaded.set(path, library);
  return library;
}

/** The settings are fixed once a library has been loaded: then this throws where they do not do. */
function configure(): void {
  const { sync_stack_size = 0, async_stack_size = 0 } = koffi.config();
  if (Math.min(sync_stack_size, async_stack_size) >= STACK_BYTES) return;
  koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES, max_async_calls: MAX_CALLS });
}
