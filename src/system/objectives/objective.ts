/** What a stage minimises: a value that builds its own graph from the parts of a system. */

import { cast, mul, sizeAs, sum, type Tensor } from '../../graph/index.js';
import type { Params } from '../../nn/index.js';
import type { Dim } from '../../tensor/index.js';
import type { HostArrays, InputType, Network, Tensors } from '../network.js';

/** A mean as a sum and what divides it, so that micro-batches of different size add up to one mean. */
export interface Mean {
  /** Scalar. */
  readonly total: Tensor;
  /** Scalar: what `total` is divided by. */
  readonly targets: Tensor;
}

export interface Loss extends Mean {
  /** What a report tells besides, by the names that it is logged under. */
  readonly metrics?: Readonly<Record<string, Mean>>;
}

/** Builds tensors from a network in a scope and the fields of a batch. */
type Builder<Result> = (network: Network, p: Params, batch: Tensors) => Result;

/**
 * A step's batch may come in micro-batches. Their totals and targets are summed before one is divided by the other, so a loss
 * that is a mean over rows or tokens is the same however the batch is cut. What else a row's loss depends on must be known
 * before the pass: as a field of the batch, or by `tally`. An objective that compares all rows with each other is `whole`.
 */
export interface Objective {
  readonly name: string;
  /** What tells it from others of that name: a run goes on only under the same. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Fields of a batch that are no inputs of the network; by the network, where it decides their shapes. */
  readonly inputs?: InputTypes | ((network: Network) => InputTypes);
  readonly loss: Builder<Loss>;
  /** Tensors that the frozen reference gives for a batch: `loss` finds them among its fields. See `StepOptions.reference`. */
  readonly reference?: Builder<Tensors>;
  /** Tensors that the network as it learns gives for a batch, without gradients: further fields. */
  readonly current?: Builder<Tensors>;
  readonly host?: HostWork;
  /** Steps that learn from the same batch; what is known of it is found before the first of them. Default 1. */
  readonly iterations?: number;
  /** Whether a step's batch cannot be cut, because its rows are compared with each other. */
  readonly whole?: boolean;
  /** Whether rows are set beside their neighbours in a step, so that processes cannot share it. */
  readonly neighbours?: boolean;
  /** Whether each row is one sample: others cannot share it. */
  readonly alone?: boolean;
  /** What it learns of, where a stage does not say it; default conversations. */
  readonly samples?: 'chats' | 'captions';
}

type InputTypes = Readonly<Record<string, InputType>>;

/** The fields of a batch that an objective needs besides what the network takes. */
export const objectiveInputs = ({ inputs = {} }: Pick<Objective, 'inputs'>, network: Network): InputTypes =>
  typeof inputs === 'function' ? inputs(network) : inputs;

/** What is found out before a pass and outside of any graph, in a batch with what `reference` and `current` gave for it. */
export interface HostWork {
  /** Types of the fields that it adds. */
  readonly fields: Readonly<Record<string, InputType>>;
  /** Fields of a micro-batch. */
  match?(batch: HostArrays, network: Network): HostArrays;
  /** Numbers of a micro-batch that are summed over those of the step: scalar fields. */
  tally?(batch: HostArrays, network: Network): Readonly<Record<string, number>>;
}

/** The mean of values [N]. */
export const meanOf = (values: Tensor): Mean => ({ total: sum(values), targets: sizeAs(values.shape, 'f32') });

/** The mean of the values [N] that `chosen` [N] points at. */
export function meanWhere(values: Tensor, chosen: Tensor): Mean {
  const weights = cast(chosen, 'f32');
  return { total: sum(mul(values, weights)), targets: sum(weights) };
}

/** A mean over so many rows that is known as a whole. */
export function countedOnce(mean: Tensor, rows: Dim): Mean {
  const targets = sizeAs([rows], 'f32');
  return { total: mul(mean, targets), targets };
}
