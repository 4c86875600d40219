/** Evaluations in the midst of training. What was evaluated is known by the log alone, so that none is lost or made twice. */

import { alone, type ProcessGroup } from '../parallel/group.js';
import type { HostArrays } from '../system/index.js';
import { bestOf, type Evaluated, evaluationsIn, isDue, isExhausted } from './evaluations.js';
import { type Ended, type Ending, type Evaluation, endingIn } from './log-record.js';
import type { RunFolder } from './run-folder.js';
import type { EarlyStopping } from './settings/evaluation.js';

export interface EvaluationPlan {
  /** Steps between evaluations; there is one before the first step and one after the last, too. */
  readonly every: number;
  /** Whether the stage ends with the values that did best, and their checkpoint stays; needs a folder. */
  readonly keepBest?: boolean;
  /** When to end before the last step. */
  readonly earlyStopping?: EarlyStopping;
  /** Evaluates what was learnt so far: the values of the parameters that learn. */
  evaluate(values: HostArrays, signal?: AbortSignal): Promise<Evaluation>;
}

export interface Watch {
  /**
   * Evaluates after a step where it is time to and it has not been done; tells whether it was the best one so far. Throws
   * 'aborted' where the signal ends it.
   */
  look(step: number, values: HostArrays, signal?: AbortSignal): Promise<boolean>;
  /** Whether it is of no use to go on. */
  isOver(): boolean;
  /** The step whose checkpoint is kept. */
  best(): number | undefined;
  /** To be called after the last step: logs and tells what evaluations had to do with the end. */
  end(step: number): Promise<void>;
}

export interface WatchOptions {
  readonly steps: number;
  readonly evaluation?: EvaluationPlan;
  readonly onEvaluation?: (evaluation: Evaluated) => void;
  readonly onEnd?: (ended: Ended) => void;
  readonly clock?: () => number;
  /** The processes that evaluate together; default this one alone. */
  readonly group?: ProcessGroup;
}

/** The evaluations of a stage, of which the run's log may hold the first ones already. */
export async function openWatch(run: RunFolder | undefined, options: WatchOptions): Promise<Watch> {
  const { steps, evaluation, onEvaluation, onEnd, clock, group = alone } = options;
  if (!evaluation) return { look: async () => false, isOver: () => false, best: () => undefined, async end() {} };
  const { every, keepBest = false, earlyStopping } = evaluation;
  // Rank 0 has the log, and all decide by it.
  const [logged] = await group.gather(run ? evaluationsIn(await run.logged()) : []);
  const known = [...(logged ?? [])];
  const bestStep = (): number | undefined => (keepBest ? bestOf(known)?.step : undefined);
  return {
    async look(step, values, signal) {
      if (!isDue(step, { every, steps }) || known.some((own) => own.step === step)) return false;
      const started = clock?.() ?? 0;
      const found = await evaluation.evaluate(values, signal);
      const ended = clock?.() ?? 0;
      const own = { step, ...found };
      known.push(own);
      await run?.log({ step, ...(clock ? { at: Math.round(ended) } : {}), time: ended - started, evaluation: found });
      onEvaluation?.(own);
      return keepBest && bestOf(known) === own;
    },
    isOver: () => earlyStopping !== undefined && isExhausted(known, earlyStopping),
    best: bestStep,
    async end(step) {
      const best = bestStep();
      const ended: Ending = { of: steps, early: step < steps, ...(best === undefined ? {} : { best }) };
      if (!ended.early && best === undefined) return;
      // A run that has ended says it again when it is given again.
      if (run && endingIn(await run.logged()) === undefined) {
        await run.log({ step, ...(clock ? { at: Math.round(clock()) } : {}), ended });
      }
      onEnd?.({ step, ...ended });
    },
  };
}
