/** What implements an optimiser: the state it keeps for a tensor, and how it changes it and the values. */

import type { Graph } from '../../graph/index.js';
import { matches } from '../../nn/index.js';
import type { Session } from '../../runtime/engine.js';
import type { Optimizer } from '../../system/index.js';
import type { TrainedTensor } from '../arena.js';

/** One tensor's part in a step; all arrays lie in the arena's memory. */
export interface TensorStep {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** As they were summed; what an optimiser leaves here is of no use to anybody. */
  readonly gradients: Float32Array;
  readonly state: Readonly<Record<string, Float32Array>>;
  /** Of `values` with their padding. */
  readonly bytes: number;
  /** Counted from 1, over the whole run. */
  readonly step: number;
  readonly rate: number;
  readonly decay: number;
  /** What the gradients are multiplied by, such as the factor of clipping. */
  readonly gradientScale: number;
}

/** Where an optimiser runs. */
export interface OptimiserHost {
  /** The arena's. */
  readonly memory: WebAssembly.Memory;
  /** A session of a graph without parameters. */
  openSession(graph: Graph): Promise<Session>;
}

export interface Updater {
  update(tensor: TensorStep): void | Promise<void>;
  close?(): Promise<void>;
}

/** Refuses a setting where it is not accepted. */
export type Check = (field: string, value: unknown, accepted: boolean, expected: string) => void;

export interface OptimiserRule<O extends Optimizer> {
  /** The shape of each array of state for a tensor, by name. Names are the same for all tensors that have such an array. */
  state(optimizer: O, tensor: TrainedTensor): Readonly<Record<string, readonly number[]>>;
  open(optimizer: O, host: OptimiserHost): Updater;
  check(optimizer: O, check: Check): void;
  /** Settings of a tensor that are not what the stage says for all. */
  rates?(optimizer: O, tensor: TrainedTensor): { readonly lr?: number; readonly decay?: number };
  /** Refuses tensors that the optimiser is not for. */
  checkTensors?(optimizer: O, tensors: readonly TrainedTensor[], check: Check): void;
}

export const defaultBetas = [0.9, 0.999] as const;

export function checkBetas(betas: readonly number[], check: Check): void {
  for (const [i, beta] of betas.entries()) check(`betas[${i}]`, beta, beta >= 0 && beta < 1, 'a number below 1');
}

export function checkEps(eps: number, check: Check): void {
  check('eps', eps, eps > 0 && eps < 1, 'a small positive number');
}

export function checkPart(field: string, value: number, check: Check): void {
  check(field, value, value >= 0 && value < 1, 'a number from 0 to less than 1');
}

/** Refuses patterns of parameters where there are none, or one matches nothing that learns. */
export function checkPatterns(
  field: string,
  patterns: readonly string[],
  tensors: readonly TrainedTensor[],
  check: Check,
): void {
  check(field, 'none', patterns.length > 0, 'one pattern or more');
  const lost = patterns.find((pattern) => !tensors.some(({ name }) => matches(name, [pattern])));
  const some = tensors.slice(0, 5).map(({ name }) => name);
  check(field, lost, lost === undefined, `patterns of the ${tensors.length} that learn, such as ${some.join(', ')}`);
}
