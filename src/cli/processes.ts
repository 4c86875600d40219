/** `quintet train` under mpirun: one of several processes, of which one speaks for all. */

import { availableParallelism, cpus } from 'node:os';
import { joinProcesses, type Launch, type MpiGroup, threadsOf } from '../parallel/index.js';
import { report } from './failures.js';
import type { Interrupt } from './interrupt.js';
import { note } from './terminal.js';

export interface ProcessOptions {
  readonly threads?: number;
  /** Seconds. */
  readonly patience?: number;
  readonly debug?: boolean;
}

/**
 * Does the same in all processes, and returns the exit code. What fails in one of them ends all; it is told once, and only
 * the process that tells it has failed: mpirun ends the others where one has.
 */
export async function amongProcesses(
  launch: Launch,
  options: ProcessOptions,
  action: (group: MpiGroup, threads: number) => Promise<number>,
): Promise<number> {
  const { patience, threads = threadsOf(launch, availableParallelism()) } = options;
  const group = await joinProcesses(patience === undefined ? {} : { patience });
  let code: number;
  try {
    if (group.rank === 0) noteBinding(launch, threads);
    code = await action(group, threads);
  } catch (error) {
    const told = await group.fail(error);
    code = group.speaks ? report(told, options) : 0;
  }
  const own = group.speaks ? code : 0;
  await group.close();
  return own;
}

/** By default mpirun binds each of two processes to one core, however many there are. */
function noteBinding({ bound, local }: Launch, threads: number): void {
  const all = cpus().length;
  if (!bound || 2 * threads * local > all) return;
  note(
    `mpirun lets the ${local} processes here use ${threads} of ${all} cores each; with --bind-to none they share all`,
  );
}

/** Milliseconds without a turn of the event loop after which the process must have been suspended. */
const suspended = 2000;

/**
 * What mpirun sends to its processes: at Ctrl-C, and where one of them has ended, first SIGCONT, after a while SIGTERM, and
 * after another one SIGKILL; at any time SIGUSR2, where it is sent that itself.
 */
export function onMpirunStop(said: () => void): Interrupt {
  const controller = new AbortController();
  let turn = performance.now();
  const watch = setInterval(() => {
    turn = performance.now();
  }, 250).unref();
  const stop = (signal: NodeJS.Signals): void => {
    // A shell sends SIGCONT, too, to go on with what it has suspended.
    const resumed = signal === 'SIGCONT' && performance.now() - turn > suspended;
    if (resumed || controller.signal.aborted) return;
    said();
    controller.abort();
  };
  const signals = ['SIGCONT', 'SIGTERM', 'SIGINT', 'SIGUSR2'] as const;
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: controller.signal,
    forget() {
      clearInterval(watch);
      // The process is about to end by itself, and is not ended before.
      for (const signal of signals) process.off(signal, stop).on(signal, () => {});
    },
  };
}
