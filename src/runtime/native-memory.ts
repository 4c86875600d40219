/** Memory of the process that nothing uses any more, given back to the system. Linux only: others do it by themselves. */

import { readFile, realpath } from 'node:fs/promises';
import { type Library, loadLibrary, type Pointer } from './libraries.js';

type NativeFunction = ((...args: unknown[]) => unknown) & { async(...args: unknown[]): void };

/** Of madvise: the pages are no longer needed, and read from their file again where they are. */
const MADV_DONTNEED = 4;

function libc(): Library | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return loadLibrary('libc.so.6');
  } catch {
    return undefined; // another C library
  }
}

/** The GNU C library keeps what was freed, hundreds of megabytes where weights were copied. */
export function memoryTrimmer(): () => void {
  const trim = libc()?.func('malloc_trim', 'int', ['size_t']) as unknown as NativeFunction | undefined;
  return () => trim?.async(0, () => {});
}

/**
 * Takes pages of mapped files out of this process; they stay in the system's memory. Whatever is read of them again comes
 * back by itself. For mappings that nothing is written to.
 */
export function pageDropper(): (files: Iterable<string>) => Promise<void> {
  const advise = libc()?.func('madvise', 'int', ['void *', 'size_t', 'int']);
  return async (files) => {
    if (!advise) return;
    // One that was removed meanwhile stays as it is.
    const wanted = new Set(await Promise.all([...files].map((file) => realpath(file).catch(() => undefined))));
    for (const { file, start, length } of mappings(await readFile('/proc/self/maps', 'utf8'))) {
      if (wanted.has(file)) advise(start, length, MADV_DONTNEED);
    }
  };
}

interface Mapping {
  readonly file: string;
  readonly start: Pointer;
  readonly length: number;
}

/** What /proc/PID/maps lists of files: see proc_pid_maps(5). */
function mappings(listed: string): Mapping[] {
  return [...listed.matchAll(/^([\da-f]+)-([\da-f]+) (?:\S+ +){4}(\/.*)$/gm)].map(([, from, to, file]) => {
    const start = BigInt(`0x${from}`);
    return { file: file as string, start, length: Number(BigInt(`0x${to}`) - start) };
  });
}
