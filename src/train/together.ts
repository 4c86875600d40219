/**
 * What the processes of a run do in step with each other. Each computes its share of a step and moves the same values by the
 * same sums; rank 0 alone reads and writes the run's folder.
 */
import type { ProcessGroup } from '../parallel/group.js';
import { QuintetError } from '../tensor/index.js';

/** The bytes of what a run goes on from, by name. */
type Regions = Readonly<Record<string, Uint8Array>>;

/** Gives all processes what rank 0 has. */
export async function copyFromFirst(group: ProcessGroup, regions: Regions): Promise<void> {
  // First of all they meet, so that a failure of one is known before bytes are under way.
  await group.gather(undefined);
  for (const bytes of Object.values(regions)) await group.broadcast(bytes);
}

/**
 * All go on from the step and with the values that rank 0 has; returns the step. Throws where they are about to do different
 * things: their run files or data may be older copies.
 */
export async function goOnTogether(
  group: ProcessGroup,
  {
    step,
    state,
    regions,
  }: { readonly step: number; readonly state: Readonly<Record<string, unknown>>; readonly regions: Regions },
): Promise<number> {
  if (group.size === 1) return step;
  const all = await group.gather({ step, state });
  const [first] = all as [(typeof all)[number]];
  for (const [rank, other] of all.entries()) {
    const names = Object.keys(state).filter(
      (key) => JSON.stringify(other.state[key]) !== JSON.stringify(first.state[key]),
    );
    if (names.length === 0) continue;
    throw new QuintetError('config', `processes 0 and ${rank} differ in ${names.join(', ')}`, {
      hint: 'give all of them the same run file, model and data',
    });
  }
  await copyFromFirst(group, regions);
  return first.step;
}

/** What each process finds, by rank. Where the signal has ended one of them, all throw 'aborted'. */
export async function findTogether<T>(group: ProcessGroup, find: () => Promise<T>): Promise<readonly T[]> {
  const own = await find().then(
    (found) => ({ found }),
    (error) => {
      if (error instanceof QuintetError && error.code === 'aborted') return { error };
      throw error;
    },
  );
  if (group.size === 1 && 'error' in own) throw own.error;
  const all = await group.gather('found' in own ? own : undefined);
  return all.map((outcome) => {
    if (outcome) return outcome.found;
    throw new QuintetError('aborted', 'the run was stopped');
  });
}
