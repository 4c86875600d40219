/** The batches of steps as the loop takes them: made while the step before runs, and kept for all that learn from them. */

import type { HostArrays } from '../system/index.js';
import type { MadeBatches } from './estimate/forecast.js';
import type { Learner } from './learner.js';
import type { StageStep } from './step.js';
import type { BatchSource, TrainOptions } from './train.js';

export interface Taken extends MadeBatches {
  /** The batches with what the objective must know of them before the first step that learns from them. */
  readonly known: readonly HostArrays[];
}

export interface StepBatches {
  /** The batches of a step, counted from 0; `waited` is told of when they are there, and gives how long they took. */
  take(step: number, waited: () => number): Promise<Taken>;
  /** Waits for what is being made. */
  settled(): Promise<void>;
}

export function stepBatches(
  { step, learner }: { readonly step: StageStep; readonly learner: Learner },
  now: Parameters<BatchSource['take']>[1],
  { data, steps, clock, objective: { iterations = 1 } }: Pick<TrainOptions, 'data' | 'steps' | 'clock' | 'objective'>,
): StepBatches {
  let upcoming: ReturnType<BatchSource['take']> | undefined;
  let kept: Taken | undefined;
  // The next batches are made while a step runs. Their failure counts when their turn comes.
  const begin = (round: number): ReturnType<BatchSource['take']> => {
    const taking = data.take(round, now);
    taking.catch(() => {});
    return taking;
  };
  const make = async (round: number, waited: () => number): Promise<Taken> => {
    const batches = await (upcoming ?? begin(round));
    const waiting = waited();
    upcoming = !data.onPolicy && (round + 1) * iterations < steps ? begin(round + 1) : undefined;
    const began = clock?.() ?? 0;
    const known = await step.foresee(batches, learner.arena.values.tensors);
    const foreseeing = (clock?.() ?? 0) - began;
    return { batches, known, making: (data.onPolicy ? waiting : 0) + foreseeing };
  };
  return {
    async take(index, waited) {
      const taken = kept ?? (await make(Math.floor(index / iterations), waited));
      kept = (index + 1) % iterations === 0 ? undefined : taken;
      return taken;
    },
    async settled() {
      await upcoming?.catch(() => {});
    },
  };
}
