/** Training runs over the tensors of a fixture, for comparison with PyTorch's. */

import type { Model } from '../../src/model/index.js';
import { adamw, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, sizeOf, toNumbers } from '../../src/tensor/index.js';
import {
  type BatchSource,
  type StepReport,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../src/train/train.js';
import { fixtureJson } from '../fixture.js';
import { expectClose } from '../graph/close.js';

type Arrays = Readonly<Record<string, HostArray>>;

/** As the fixtures say: eight times the error of float32 in the reference itself, at least. */
export const rtol = 5e-5;

export function same(actual: HostArray | undefined, wanted: HostArray | undefined, what: string): void {
  if (!actual || !wanted) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape, data: toNumbers(wanted) }, what, { rtol, atol: 1e-8 });
}

export const sameNumbers = (actual: readonly number[], wanted: HostArray | undefined, what: string): void =>
  same(hostArray('f32', [actual.length], actual), wanted, what);

/** The losses and norms of a run against the reference's. */
export function sameCurves(reports: readonly StepReport[], { losses, grad_norms: norms }: Arrays): void {
  const curve = (of: 'loss' | 'norm') => reports.map((report) => report[of]);
  sameNumbers(curve('loss'), losses, 'losses');
  sameNumbers(curve('norm'), norms, 'norms');
}

/** Elements of the first axis, in the given order. */
export function rows({ dtype, shape, data }: HostArray, indices: readonly number[]): HostArray {
  const size = sizeOf(shape.slice(1));
  const numbers = indices.flatMap((i) => Array.from<number | bigint>(data.slice(i * size, (i + 1) * size)));
  const result = data.slice(0, numbers.length);
  for (const [i, number] of numbers.entries()) result[i] = number;
  return { dtype, shape: [indices.length, ...shape.slice(1)], data: result };
}

/** One element of the first axis, without that axis. */
function element(array: HostArray, i: number): HostArray {
  const { shape, ...rest } = rows(array, [i]);
  return { ...rest, shape: shape.slice(1) };
}

/**
 * What a fixture trains on: batches by step and, with four axes, by micro-batch; or samples, of which `order` lists those of
 * a step.
 */
export function batchesOf({ order, ...inputs }: Arrays): BatchSource {
  const fields = Object.keys(inputs);
  const each = (pick: (array: HostArray) => HostArray): Arrays =>
    Object.fromEntries(fields.map((name) => [name, pick(inputs[name] as HostArray)]));
  const micro = inputs.input_ids?.shape.length === 4 ? (inputs.input_ids.shape[1] as number) : 1;
  return {
    fields,
    accumulates: micro > 1,
    async take(step) {
      if (order) return [each((array) => rows(array, toNumbers(element(order, step))))];
      if (micro === 1) return [each((array) => element(array, step))];
      return Array.from({ length: micro }, (_, i) => each((array) => element(element(array, step), i)));
    },
  };
}

interface Settings {
  readonly steps: number;
  readonly lr: number;
  readonly betas: [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  readonly warmup_steps: number;
  readonly schedule: 'linear' | 'cosine';
}

/** Runs a fixture's settings over its data. */
export async function trainFixture(
  name: string,
  model: Model,
  inputs: Arrays,
  options: Pick<TrainOptions, 'train' | 'frozen'> & { readonly decayOn?: 'all' | 'matrices' },
): Promise<{ readonly reports: StepReport[]; readonly result: TrainResult }> {
  const settings = (fixtureJson(name).settings as { readonly train: Settings }).train;
  const reports: StepReport[] = [];
  const result = await train(model, {
    objective: nextToken(),
    train: options.train,
    ...(options.frozen ? { frozen: options.frozen } : {}),
    steps: settings.steps,
    optimizer: adamw({
      lr: settings.lr,
      betas: settings.betas,
      eps: settings.eps,
      decay: settings.weight_decay,
      decayOn: options.decayOn ?? 'matrices',
      clip: settings.max_grad_norm,
      warmup: { steps: settings.warmup_steps },
      schedule: settings.schedule,
    }),
    data: batchesOf(inputs),
    onStep: (report) => reports.push(report),
  });
  return { reports, result };
}
