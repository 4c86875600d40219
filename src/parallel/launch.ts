/** What OpenMPI's mpirun tells each process that it starts. */

import { mostThreads } from '../runtime/engine.js';
import { QuintetError } from '../tensor/index.js';
import type { Share } from './group.js';

export interface Launch extends Share {
  /** How many of the processes are on this machine. */
  readonly local: number;
  /** Whether mpirun has bound each process to cores of its own. */
  readonly bound: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the environment of a process; undefined where mpirun has not started it, or started it alone. */
export function launchOf(environment: Environment): Launch | undefined {
  const whole = (name: string): number => {
    const text = environment[name] ?? '';
    if (/^\d+$/.test(text)) return Number(text);
    throw new QuintetError('config', `expected a whole number, got "${text}"`, { at: `environment variable ${name}` });
  };
  if (environment.OMPI_COMM_WORLD_SIZE === undefined) return undefined;
  const size = whole('OMPI_COMM_WORLD_SIZE');
  if (size <= 1) return undefined;
  return {
    ...{ rank: whole('OMPI_COMM_WORLD_RANK'), size, local: whole('OMPI_COMM_WORLD_LOCAL_SIZE') },
    bound: environment.OMPI_MCA_orte_bound_at_launch === '1',
  };
}

/** Threads of each process on a machine of which this process may use `cores`. */
export function threadsOf({ local, bound }: Launch, cores: number): number {
  return Math.min(mostThreads, bound ? cores : Math.max(1, Math.floor(cores / local)));
}
