/** Losses alone against torch, transformers and diffusers: values, and gradients by everything that is learnt through them. */
import { beforeAll, expect, test } from 'vitest';
import { cast, div, gather, gradients, graph, input, mean, mul, select, type Tensor } from '../../src/graph/index.js';
import { initialise, layeredWeights } from '../../src/model/index.js';
import { lower } from '../../src/onnx/index.js';
import { committed, nearestIn } from '../../src/parts/generators/code-book.js';
import {
  binaryLoss,
  cheapestAssignment,
  type DistanceName,
  denoisingTarget,
  detect,
  diceLoss,
  distances,
  distillation,
  errorOfEach,
  flowErrors,
  focalLoss,
  type HostArrays,
  keptAt,
  loadBalance,
  type Network,
  pickingLoss,
  regression,
  routerZLoss,
  snrWeights,
  tokenLoss,
} from '../../src/system/index.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine, fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { rows } from '../train/fixture.js';
import { pass } from '../train/objectives.js';

const tolerance = { rtol: 2e-5, atol: 1e-7 };
let inputs: HostArrays;
let expected: HostArrays;

beforeAll(async () => {
  inputs = await fixtureTensors('losses', 'inputs');
  expected = await fixtureTensors('losses', 'expected');
});

/** Asserts a loss of the fixture's inputs and its gradients by those that the reference has. */
async function expectLoss(name: string, build: (x: Record<string, Tensor>) => Tensor): Promise<void> {
  const given = Object.entries(inputs).map(([key, { dtype, shape }]): [string, Tensor] => [
    key,
    input(key, dtype, shape),
  ]);
  const x = Object.fromEntries(given);
  const loss = build(x);
  const by = Object.keys(expected).flatMap((key) =>
    key.startsWith(`grad.${name}.`) ? [key.split('.')[2] as string] : [],
  );
  expect(by.length).toBeGreaterThan(0);
  const slopes = gradients(
    loss,
    by.map((key) => x[key] as Tensor),
  );
  const outputs: [string, Tensor][] = by.map((key, i) => [`grad.${name}.${key}`, slopes[i] as Tensor]);
  const built = graph('loss', { [`loss.${name}`]: loss, ...Object.fromEntries(outputs) });
  const session = await engine.createSession(lower(built, new Map()), {});
  try {
    const found = await session.run(Object.fromEntries(session.inputs.map((key) => [key, inputs[key] as HostArray])));
    for (const [key, value] of Object.entries(found)) same(value, expected[key], key);
  } finally {
    await session.close();
  }
}

function same(actual: HostArray, wanted: HostArray | undefined, what: string): void {
  if (!wanted) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, tolerance);
}

const shares = (x: Record<string, Tensor>) => ({
  kept: toNumbers(expected.kept as HostArray),
  latents: x.latents as Tensor,
  noise: x.noise as Tensor,
  times: x.times as Tensor,
});

const denoising = (predicts: 'epsilon' | 'sample' | 'v_prediction') => (x: Record<string, Tensor>) => {
  const { kept, latents, noise, times } = shares(x);
  const wanted = denoisingTarget({ kept, predicts }, latents, noise, times);
  const errors = errorOfEach(x.predicted as Tensor, wanted);
  return mean(mul(errors, snrWeights(keptAt({ kept }, times), predicts, 4)));
};

const flow = (weights?: 'sigma-sqrt' | 'cosmap') => (x: Record<string, Tensor>) => {
  const { latents, noise } = shares(x);
  return mean(flowErrors(x.predicted as Tensor, { latents, noise, moments: x.moments as Tensor }, weights));
};

const distilling = (direction: 'forward' | 'reverse') => (x: Record<string, Tensor>) =>
  mean(distillation(x.student as Tensor, x.teacher as Tensor, { temperature: 1.7, direction }));

const regressing = (distance: DistanceName, masked: boolean) => (x: Record<string, Tensor>) => {
  const { total, targets } = regression(
    distance,
    x.features as Tensor,
    x.target_features as Tensor,
    masked ? x.places : undefined,
  );
  return div(total, targets);
};

const routers = (x: Record<string, Tensor>): Tensor[] => [x.router0 as Tensor, x.router1 as Tensor];

test.each<[string, (x: Record<string, Tensor>) => Tensor]>([
  ['picking', ({ scores }) => pickingLoss(scores as Tensor)],
  ['picking_smoothed', ({ scores }) => pickingLoss(scores as Tensor, 0.15)],
  ['words_smoothed', ({ logits, labels }) => tokenLoss(logits as Tensor, labels as Tensor, { smoothing: 0.15 }).mean],
  ['words_z', ({ logits, labels }) => tokenLoss(logits as Tensor, labels as Tensor, { zLoss: 0.02 }).mean],
  ['focal', ({ masks, target_masks: wanted }) => mean(focalLoss(masks as Tensor, wanted as Tensor))],
  ['dice', ({ masks, target_masks: wanted }) => mean(diceLoss(masks as Tensor, wanted as Tensor))],
  ['binary', ({ masks, target_masks: wanted }) => mean(binaryLoss(masks as Tensor, wanted as Tensor))],
  ['snr_epsilon', denoising('epsilon')],
  ['snr_v_prediction', denoising('v_prediction')],
  ['snr_sample', denoising('sample')],
  ['flow', flow()],
  ['flow_sigma_sqrt', flow('sigma-sqrt')],
  ['flow_cosmap', flow('cosmap')],
  ['distil_forward', distilling('forward')],
  ['distil_reverse', distilling('reverse')],
  ...(Object.keys(distances) as DistanceName[]).map((name): [string, (x: Record<string, Tensor>) => Tensor] => [
    `regression_${name}`,
    regressing(name, true),
  ]),
  ['regression_all', regressing('squared', false)],
  ['balance', (x) => loadBalance(routers(x), 2)],
  ['balance_present', (x) => loadBalance(routers(x), 2, x.present)],
  ['router_z', (x) => routerZLoss(routers(x))],
  ['commitment', ({ codes, book }) => nearestIn(book as Tensor, codes as Tensor, committed).loss],
])('%s equals the reference', async (name, build) => {
  await expectLoss(name, build);
});

/** A network whose answers are its parameters; its pictures only say for how many. */
const answering: Network = {
  name: 'answers',
  inputs: { pictures: { dtype: 'f32', shape: ['B', 1] } },
  forward(p, given) {
    const rowsOf = (name: string, width: number): Tensor =>
      gather(p.get(name, [3, 5, width]), cast(select(given.pictures as Tensor, 1, 0), 'i64'));
    return { logits: rowsOf('classes', 4), pred_boxes: rowsOf('boxes', 4) };
  },
};

/** The pictures with the given numbers, and their boxes. */
function pictured(numbers: readonly number[]): HostArrays {
  const pictures = toNumbers(inputs.target_pictures as HostArray);
  const kept = pictures.flatMap((picture, box) => (numbers.includes(picture) ? [box] : []));
  const places = kept.map((box) => numbers.indexOf(pictures[box] as number));
  return {
    pictures: hostArray('f32', [numbers.length, 1], numbers),
    target_boxes: rows(inputs.target_boxes as HostArray, kept),
    target_classes: rows(inputs.target_classes as HostArray, kept),
    target_pictures: hostArray('i64', [kept.length], places),
  };
}

test.each<[string, readonly (readonly number[])[]]>([
  ['together', [[0, 1, 2]]],
  ['in micro-batches', [[0], [1, 2]]],
  ['in another order, one without boxes alone', [[2, 0], [1]]],
])('boxes are matched and learnt as in DETR, %s', async (_, parts) => {
  const model = await initialise(answering, { engine });
  const values = new Map(['classes', 'boxes'].map((name) => [name, inputs[name] as HostArray]));
  const weights = layeredWeights(model.weights, values);
  const found = await pass({ objective: detect(), model: { ...model, weights } }, parts.map(pictured));
  expect(found.loss).toBeCloseTo(toNumbers(expected['loss.detect'] as HostArray)[0] as number, 5);
  for (const name of ['classes', 'boxes']) same(found.slopes[name] as HostArray, expected[`grad.detect.${name}`], name);
  for (const part of ['class', 'distance', 'overlap'])
    expect(found.metrics[`loss/${part}`], part).toBeCloseTo(
      toNumbers(expected[`detect_${part}`] as HostArray)[0] as number,
      5,
    );
});

test('the cheapest assignment is that of all permutations', () => {
  const random = new Random(5);
  for (const [height, width] of [
    [1, 1],
    [2, 4],
    [3, 3],
    [4, 6],
    [5, 5],
  ] as const) {
    const costs = Array.from({ length: height }, () =>
      Array.from({ length: width }, () => Math.round(random.normal() * 4)),
    );
    const cost = (columns: readonly number[]): number =>
      columns.reduce((total, column, row) => total + (costs[row]?.[column] as number), 0);
    const found = cheapestAssignment(costs);
    expect(new Set(found).size).toBe(height);
    expect(cost(found)).toBe(Math.min(...arrangements(width, height).map(cost)));
  }
});

/** All ways to choose `count` of the numbers below `size` in order. */
function arrangements(size: number, count: number): number[][] {
  if (count === 0) return [[]];
  return arrangements(size, count - 1).flatMap((before) =>
    Array.from({ length: size }, (_, i) => i).flatMap((next) => (before.includes(next) ? [] : [[...before, next]])),
  );
}
