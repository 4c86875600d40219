/** Processes by a name that no other one has, and whether they run, as far as is to be seen from here. */

import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process among those of all machines that share a folder. What only Linux tells is '' elsewhere. */
export interface Process {
  /** Machines, and containers of one of them, may share a name. */
  readonly host: string;
  /** Stays when the machine starts again; '' where it was never given one. */
  readonly machine: string;
  /** Another one each time that the machine starts. */
  readonly boot: string;
  /** The space of processes that a container has of its own. */
  readonly container: string;
  readonly pid: number;
  /** When it began, in the kernel's ticks; process numbers are used again. */
  readonly began: string;
}

export function ownProcess(): Process {
  return {
    host: hostname(),
    machine: seen(() => hashed(readFileSync('/etc/machine-id', 'utf8').trim())) ?? '',
    boot: seen(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    container: seen(() => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]) ?? '',
    pid: process.pid,
    began: beganAt(process.pid) ?? '',
  };
}

/** The machine's number is not to be told to others as it is: https://man7.org/linux/man-pages/man5/machine-id.5.html */
const hashed = (id: string): string =>
  id === '' ? '' : createHash('sha256').update(`quintet ${id}`).digest('hex').slice(0, 16);

function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Whether a process runs; undefined where that is not to be seen from `here`. */
export function isRunning(other: Process, here = ownProcess()): boolean | undefined {
  if (other.host !== here.host) return undefined;
  // Of this machine, before it was started again; or of another one that is called alike.
  if (other.boot !== here.boot) return other.machine !== '' && other.machine === here.machine ? false : undefined;
  if (other.container !== here.container) return undefined;
  if (!isThere(other.pid)) return false;
  const began = beganAt(other.pid);
  return began === undefined || began === other.began;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it belongs to somebody else
  }
}

/**
 * Field 22 of Linux's /proc/PID/stat; undefined where that is not to be read, and '' for a process (Z) that has ended though
 * its parent has not asked how. The name in field 2 may hold spaces and parentheses.
 */
function beganAt(pid: number): string | undefined {
  const stat = seen(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const [state, ...others] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === 'Z' ? '' : others[18];
}

/** A process in one word, which may be part of a file's name. */
export function wordOf({ host, machine, boot, container, pid, began }: Process): string {
  return [host, machine, boot, container, pid, began].join('~');
}

/** The process that a word names; undefined where it names none. */
export function processOf(word: string): Process | undefined {
  const [, host, machine, boot, container, pid, began] = /^([^~]+)~(\w*)~([\w-]*)~(\d*)~(\d+)~(\d*)$/.exec(word) ?? [];
  if (host === undefined) return undefined;
  return { host, machine, boot, container, pid: Number(pid), began } as Process;
}
