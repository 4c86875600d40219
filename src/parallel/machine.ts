/** Where processes run, as far as they see each other. */

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** What the number of a process is unique in. Machines, and containers of one of them, may share a name. */
export interface Machine {
  readonly host: string;
  /** Another one each time that the machine starts; '' where it has none, as this and the next have only on Linux. */
  readonly boot: string;
  /** The space of processes that a container has of its own. */
  readonly container: string;
}

export function machineOf(): Machine {
  return {
    host: hostname(),
    boot: readIfThere(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    container: readIfThere(() => readlinkSync('/proc/self/ns/pid')),
  };
}

function readIfThere(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Whether a process is there; undefined where that is not to be seen from here. */
export function isThere({ pid, host, boot, container }: Machine & { readonly pid: number }): boolean | undefined {
  const here = machineOf();
  if (host !== here.host || boot !== here.boot || container !== here.container) return undefined;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it belongs to somebody else
  }
}
