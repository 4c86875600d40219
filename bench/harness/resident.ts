/** The memory that this process has, as Linux tells it. */

import { readFileSync } from 'node:fs';

/** In MiB. */
export interface Resident {
  readonly all: number;
  /** Pages of its own, and pages of files, which the system may drop. */
  readonly anonymous: number;
  readonly files: number;
  /** The most that it had. */
  readonly peak: number;
}

export async function resident(): Promise<Resident> {
  // Buffers that are no longer held are freed a little after their collection.
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const status = readFileSync('/proc/self/status', 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { all: read('VmRSS'), anonymous: read('RssAnon'), files: read('RssFile'), peak: read('VmHWM') };
}
