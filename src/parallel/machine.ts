/** The machine that a process runs on, as far as processes see each other. */

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Names what numbers of processes are unique in: containers may share a name, and do not see each other's processes. */
export function machineOf(): string {
  const boot = readIfThere(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return [hostname(), boot, readIfThere(() => readlinkSync('/proc/self/ns/pid'))].join(' ').trim();
}

/** Only Linux has such files. */
function readIfThere(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
