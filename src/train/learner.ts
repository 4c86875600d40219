/** What learns in a stage: the values of its parameters, and the optimiser that moves them. */

import { type Model, openSession } from '../model/index.js';
import type { HostArrays, Optimizer, Pruning } from '../system/index.js';
import type { HostArray } from '../tensor/index.js';
import { type Arena, type ArenaOptions, createArena, type Region, type TrainedTensor } from './arena.js';
import { clipScale } from './gradients.js';
import { checkTensors, openOptimiser, stateFor } from './optimisers/index.js';
import { openPruner } from './pruner.js';
import { rateFactor } from './schedule.js';

/** What a step's gradients, which are sums over its targets, are divided by, and the norm of their means. */
export interface SummedGradients {
  readonly targets: number;
  readonly norm: number;
}

export interface Learner {
  readonly arena: Arena;
  /** Moves the values by the gradients of a step, counted from 0; returns the learning rate. */
  update(index: number, gradients: SummedGradients): Promise<number>;
  /** Whether an update has begun and not ended: some values are then those after it, and others are not. */
  readonly isMoving: boolean;
  /** What counts as learnt, for evaluation and in the end: the values, or their averages. */
  readonly learnt: HostArrays;
  /** The same for good: in memory of its own, without what was cut. */
  final(): HostArrays;
  /** What a run needs in order to go on. */
  readonly regions: Readonly<Record<string, Uint8Array>>;
  close(): Promise<void>;
}

export interface LearnerOptions {
  readonly optimizer: Optimizer;
  readonly steps: number;
  /** Whether a step has several micro-batches. */
  readonly accumulates: boolean;
  /** What is cut after each step; default nothing. */
  readonly pruning?: Pruning | undefined;
}

/** What an optimiser and what is cut keep beside values and gradients. */
export function arenaOptions({ optimizer, accumulates, pruning }: Omit<LearnerOptions, 'steps'>): ArenaOptions {
  const state = stateFor(optimizer);
  return {
    ...{ accumulation: accumulates, average: optimizer.average !== undefined },
    state: (tensor) => ({ ...state(tensor), ...pruning?.state(tensor) }),
  };
}

/** A learner whose values are zeros. */
export function openLearner(
  model: Model,
  trained: readonly TrainedTensor[],
  { optimizer, steps, accumulates, pruning }: LearnerOptions,
): Learner {
  checkTensors(optimizer, trained, 'optimizer');
  const { average, clip = 1 } = optimizer;
  const arena = createArena(trained, arenaOptions({ optimizer, accumulates, pruning }));
  const pruner = pruning && openPruner(pruning, arena, trained);
  const optimiser = openOptimiser(optimizer, arena, (graph) => openSession(model, graph, new Map()));
  const { values, kernels, state } = arena;
  const bytes = ({ data }: Region): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const learnt = ((average?.use ?? true) && arena.average ? arena.average : values).tensors;
  const kept = { values, ...state, ...(arena.average && { average: arena.average }) };
  let isMoving = false;
  return {
    arena,
    get isMoving() {
      return isMoving;
    },
    async update(index, { targets, norm }) {
      isMoving = true;
      const factor = rateFactor(optimizer, index, steps);
      const gradientScale = (clip > 0 ? clipScale(norm, clip) : 1) / targets;
      pruner?.note(gradientScale);
      await optimiser.step({ step: index + 1, factor, gradientScale });
      pruner?.afterStep(index);
      // The first average is the first values that were learnt.
      if (average && arena.average) {
        kernels.approach(arena.average.data, values.data, index === 0 ? 1 : 1 - average.decay);
      }
      isMoving = false;
      return optimizer.lr * factor;
    },
    learnt,
    final() {
      const copies = Object.entries(learnt).map(([name, array]): [string, HostArray] => {
        const data = Float32Array.from(array.data as Float32Array);
        pruner?.settle(name, data);
        return [name, { dtype: 'f32', shape: array.shape, data }];
      });
      return Object.fromEntries(copies);
    },
    regions: Object.fromEntries(Object.entries(kept).map(([name, region]) => [name, bytes(region)])),
    close: optimiser.close,
  };
}
