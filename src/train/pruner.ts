/** What an adapter cuts from what learns: its memory lies in the arena, and so goes into checkpoints. */

import type { Prunable, Pruning } from '../system/index.js';
import type { Arena, Region, TrainedTensor } from './arena.js';

export interface Pruner {
  /** Remembers a step's gradients, times a factor, before the optimiser uses them up. */
  note(scale: number): void;
  /** After the optimiser has moved the values of a step, counted from 0. */
  afterStep(step: number): void;
  /** Cuts what was cut before from a copy of what was learnt. */
  settle(name: string, values: Float32Array): void;
}

/** The pruner of an arena that was made with what `pruning` remembers. */
export function openPruner(pruning: Pruning, arena: Arena, trained: readonly TrainedTensor[]): Pruner {
  const numbers = (region: Region | undefined, name: string) => region?.tensors[name]?.data as Float32Array;
  const parameters = new Map<string, Prunable>();
  for (const tensor of trained) {
    const regions = Object.keys(pruning.state(tensor));
    if (regions.length === 0) continue;
    const values = numbers(arena.values, tensor.name);
    parameters.set(tensor.name, {
      ...{ values, slopes: new Float32Array(values.length) },
      state: Object.fromEntries(regions.map((region) => [region, numbers(arena.state[region], tensor.name)])),
    });
  }
  return {
    note(scale) {
      for (const [name, { slopes }] of parameters) {
        const gradients = numbers(arena.gradients, name);
        for (let i = 0; i < slopes.length; i++) slopes[i] = scale * (gradients[i] as number);
      }
    },
    afterStep: (step) => pruning.afterStep(step, parameters),
    settle(name, values) {
      const own = parameters.get(name);
      if (own) pruning.settle({ values, state: own.state });
    },
  };
}
