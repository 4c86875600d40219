/** Objectives over batches of a fixture: loss, gradients and metrics of a step, whatever its micro-batches. */
import { load, type Model } from '../../src/model/index.js';
import type { HostArrays, Objective } from '../../src/system/index.js';
import { type HostArray, hostArray, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { compileStep, type MicroLoss, type StageStep } from '../../src/train/step.js';
import { engine, fixturePath } from '../fixture.js';

export interface Found {
  readonly loss: number;
  /** By the trained parameters, divided by the targets. */
  readonly slopes: Readonly<Record<string, HostArray>>;
  readonly norm: number;
  readonly metrics: Readonly<Record<string, number>>;
}

interface Setting {
  readonly objective: Objective;
  /** The weights, which are those of the reference too. */
  readonly model: Model;
  /** Where the values are from that learn; default the model. */
  readonly policy?: Model;
  readonly train?: readonly string[];
}

/** The pass of a step over its micro-batches. */
export async function pass(
  { objective, model, policy = model, train = ['**'] }: Setting,
  batches: readonly HostArrays[],
): Promise<Found> {
  const step = await compileStep(model, { objective, train, fields: Object.keys(batches[0] as HostArrays) });
  try {
    const values: Record<string, HostArray> = {};
    for (const declared of step.trained) values[declared.name] = await policy.weights.read(declared);
    return await summed(step, await step.foresee(batches, values), values);
  } finally {
    await step.close();
  }
}

async function summed(step: StageStep, batches: readonly HostArrays[], values: HostArrays): Promise<Found> {
  const sums = empty(step);
  const losses: MicroLoss[] = [];
  for (const batch of batches) {
    const into = empty(step);
    losses.push(await step.run(batch, values, into));
    for (const [name, { data }] of Object.entries(into)) {
      const sum = sums[name]?.data as Float32Array;
      for (const [i, x] of (data as Float32Array).entries()) sum[i] = (sum[i] as number) + x;
    }
  }
  const mean = (parts: readonly { readonly total: number; readonly targets: number }[]): number =>
    parts.reduce((sum, { total }) => sum + total, 0) / parts.reduce((sum, { targets }) => sum + targets, 0);
  const targets = losses.reduce((sum, loss) => sum + loss.targets, 0);
  const slopes = Object.entries(sums).map(([name, { shape, data }]): [string, HostArray] => [
    name,
    { dtype: 'f32', shape, data: (data as Float32Array).map((x) => x / targets) },
  ]);
  const names = Object.keys(losses[0]?.metrics ?? {});
  return {
    loss: mean(losses),
    slopes: Object.fromEntries(slopes),
    norm: Math.hypot(...slopes.map(([, slope]) => Math.hypot(...toNumbers(slope)))),
    metrics: Object.fromEntries(names.map((name) => [name, mean(losses.flatMap((loss) => loss.metrics[name] ?? []))])),
  };
}

function empty({ trained }: StageStep): Record<string, HostArray> {
  return Object.fromEntries(
    trained.map(({ name, shape }) => [name, hostArray('f32', shape, new Float32Array(sizeOf(shape)))]),
  );
}

/** GRPO of several iterations whose batches bring the old log-probabilities. */
export const ofEarlier = ({ current: _, iterations: __, inputs, ...objective }: Objective): Objective => ({
  ...objective,
  inputs: { ...(inputs as object), old_logps: { dtype: 'f32', shape: ['B', 'T'] } },
});

/** A fixture's model, or the one in another of its folders. */
export const open = (name: string, folder = 'model'): Promise<Model> =>
  load(`${fixturePath(name)}/${folder}`, { engine });
