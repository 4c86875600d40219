/** Several processes that train one model. Nothing of MPI is loaded before a group is opened. */

import type { MpiGroup, MpiOptions } from './mpi-group.js';

export { alone, type ProcessGroup, partOf, type Share } from './group.js';
export { type Launch, launchOf, threadsOf } from './launch.js';
export type { MpiGroup, MpiOptions };

/** Joins the other processes that mpirun has started; waits for all of them. Once a process. */
export async function joinProcesses(options: MpiOptions = {}): Promise<MpiGroup> {
  const { openMpiGroup } = await import('./mpi-group.js');
  return openMpiGroup(options);
}
