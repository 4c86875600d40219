/** Preference tuning against TRL: losses, gradients and metrics; and that they are the same however a batch is cut. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { div, mul, neg, sum, type Tensor } from '../../src/graph/index.js';
import { type Model, traceNetwork } from '../../src/model/index.js';
import {
  advantagesOf,
  cpo,
  dpo,
  type GrpoLossName,
  grpo,
  type HostArrays,
  kto,
  logProbabilities,
  meanOf,
  type Objective,
  orpo,
  type PreferenceLossName,
  preferenceLosses,
  sgd,
  simpo,
  targetsAt,
} from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { type StepReport, train } from '../../src/train/index.js';
import { fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { rows } from './fixture.js';
import { type Found, ofEarlier, open, pass } from './objectives.js';

/** Three times what the reference itself rounds. */
const tolerance = { rtol: 2e-5, atol: 1e-8 };

let model: Model;
let policy: Model;
let inputs: HostArrays;
let expected: HostArrays;

beforeAll(async () => {
  model = await open('preference', 'reference');
  policy = await open('preference');
  inputs = await fixtureTensors('preference', 'inputs');
  expected = await fixtureTensors('preference', 'expected');
});

afterAll(async () => {
  await model.close();
  await policy.close();
});

const take = (names: readonly string[], prefix = ''): HostArrays =>
  Object.fromEntries(names.map((name) => [name, inputs[prefix + name] as HostArray]));

const words = ['input_ids', 'attention_mask', 'labels'];
const pairs = (): HostArrays => take([...words, 'chosen', 'rejected']);
const rated = (): HostArrays => take([...words, 'desirable', ...words.map((name) => `other_${name}`)]);
const groups = (): HostArrays => {
  const rewards = inputs.rewards as HostArray;
  const advantages = advantagesOf(toNumbers(rewards), 3);
  return {
    ...take(words, 'group_'),
    rewards,
    advantages: hostArray('f32', [6], advantages),
    old_logps: expected.old_logps as HostArray,
  };
};

function same(actual: HostArray, wanted: HostArray | undefined, what: string): void {
  if (!wanted) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, tolerance);
}
const sameNumber = (actual: number, wanted: HostArray | undefined, what: string): void =>
  same(hostArray('f32', [], [actual]), wanted, what);

/** Asserts a step's loss and gradients. */
function expectLoss(name: string, { loss, norm, slopes }: Found): void {
  sameNumber(loss, expected[`loss.${name}`], `loss of ${name}`);
  sameNumber(norm, expected[`norm.${name}`], `norm of ${name}`);
  const shown = Object.keys(expected).filter((key) => key.startsWith(`grad.${name}.`));
  expect(shown.length).toBeGreaterThan(2);
  for (const key of shown) same(slopes[key.slice(`grad.${name}.`.length)] as HostArray, expected[key], key);
}

const run = (objective: Objective, ...batches: HostArrays[]): Promise<Found> =>
  pass({ objective, model, policy }, batches);

const base = { beta: 0.2 };
const dpoLosses = (Object.keys(preferenceLosses) as PreferenceLossName[]).map(
  (loss) => [loss, loss.replaceAll('-', '_')] as const,
);

describe('equal to TRL', () => {
  test.each(dpoLosses)('DPO with %s', async (loss, name) => {
    const found = await run(dpo({ ...base, loss, ...(loss === 'robust' ? { smoothing: 0.15 } : {}) }), pairs());
    expectLoss(`dpo.${name}`, found);
    for (const [metric, value] of Object.entries(found.metrics))
      sameNumber(value, expected[`metric/${metric}`], metric);
    expect(Object.keys(found.metrics)).toHaveLength(6);
  });

  test.each<[string, Objective]>([
    ['orpo', orpo(base)],
    ['simpo', simpo({ beta: 2, margin: 0.4 })],
    ['cpo', cpo({ ...base, smoothing: 0.15 })],
  ])('%s', async (name, objective) => {
    expectLoss(name, await run(objective, pairs()));
  });

  test('KTO', async () => {
    expectLoss('kto', await run(kto({ ...base, undesirable: 1.4 }), rated()));
  });

  test.each<GrpoLossName>(['grpo', 'bnpo', 'dr-grpo', 'dapo'])('GRPO with %s', async (loss) => {
    const objective = ofEarlier(
      grpo({ loss, beta: 0.05, epsilon: 0.1, epsilonHigh: 0.25, maxTokens: 8, iterations: 2 }),
    );
    expectLoss(`grpo.${loss.replace('-', '_')}`, await run(objective, groups()));
  });

  test('what answers are worth in their group', () => {
    const worth = advantagesOf(toNumbers(inputs.rewards as HostArray), 3);
    same(hostArray('f32', [6], worth), expected.advantages, 'advantages');
  });
});

/** Rows of each field that has one for each answer; `chosen` and `rejected` point at them anew. */
function cut(batch: HostArrays, kept: readonly number[]): HostArrays {
  return Object.fromEntries(
    Object.entries(batch).map(([name, array]) => {
      if (name !== 'chosen' && name !== 'rejected') return [name, rows(array, kept)];
      const places = toNumbers(array).flatMap((row) => (kept.includes(row) ? [kept.indexOf(row)] : []));
      return [name, hostArray('i64', [places.length], places)];
    }),
  );
}

test('GRPO with bnpo is the mean over micro-batches, whatever their number of tokens', async () => {
  const objective = ofEarlier(grpo({ loss: 'bnpo', beta: 0.05, epsilon: 0.1, epsilonHigh: 0.25, iterations: 2 }));
  const whole = groups();
  expectLoss('grpo.bnpo_in_parts', await run(objective, cut(whole, [0, 1, 4, 5]), cut(whole, [2, 3])));
});

describe('micro-batches of different size give what the whole batch gives', () => {
  test.each<[string, Objective, () => HostArrays]>([
    ['dpo.ipo', dpo({ ...base, loss: 'ipo' }), pairs],
    ['orpo', orpo(base), pairs],
    ['cpo', cpo({ ...base, smoothing: 0.15 }), pairs],
    ['kto', kto({ ...base, undesirable: 1.4 }), rated],
    [
      'grpo.grpo',
      ofEarlier(grpo({ loss: 'grpo', beta: 0.05, epsilon: 0.1, epsilonHigh: 0.25, iterations: 2 })),
      groups,
    ],
    [
      'grpo.dapo',
      ofEarlier(grpo({ loss: 'dapo', beta: 0.05, epsilon: 0.1, epsilonHigh: 0.25, iterations: 2 })),
      groups,
    ],
  ])('%s', async (name, objective, batch) => {
    const whole = batch();
    const found = await run(objective, cut(whole, [0, 1, 4, 5]), cut(whole, [2, 3]));
    expectLoss(name, found);
    const together = await run(objective, whole);
    for (const [metric, value] of Object.entries(found.metrics)) {
      expect(value, metric).toBeCloseTo(together.metrics[metric] as number, 5);
    }
  });
});

/** log p(token t | tokens before it) [B, T] by the model's scores, in float64; 0 where no label is. */
async function logpsOf(own: Model, { labels, ...batch }: HostArrays): Promise<HostArray> {
  const { input_ids, attention_mask } = batch as { input_ids: HostArray; attention_mask: HostArray };
  const { logits } = await traceNetwork(own, { input_ids, attention_mask }, { want: ['logits'] });
  const [, length, vocab] = (logits as HostArray).shape as [number, number, number];
  const scores = toNumbers(logits as HostArray);
  const logps = toNumbers(labels as HostArray).map((id, i) => {
    if (id < 0 || i % length === 0) return 0;
    const row = scores.slice((i - 1) * vocab, i * vocab);
    const most = Math.max(...row);
    return (row[id] as number) - most - Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
  });
  return hostArray('f32', (labels as HostArray).shape, logps);
}

test('the steps of an iteration learn from the same answers, by how likely they were before the first', async () => {
  const { old_logps: _, ...batch } = groups();
  const old_logps = await logpsOf(policy, batch);
  const taken: number[] = [];
  const curve = async (objective: Objective, given: HostArrays): Promise<StepReport[]> => {
    const reports: StepReport[] = [];
    const take = async (round: number) => {
      taken.push(round);
      return [given];
    };
    const data = { fields: Object.keys(given), accumulates: false, take };
    const settings = { train: ['**'], optimizer: sgd({ lr: 0.1 }), steps: 4 };
    await train(policy, { ...settings, objective, data, onStep: (report) => reports.push(report) });
    return reports;
  };
  const clipped = grpo({ epsilon: 0.01, epsilonHigh: 0.02, iterations: 3 });
  const found = await curve(clipped, batch);
  expect(taken).toEqual([0, 1]);
  const wanted = await curve(ofEarlier(clipped), { ...batch, old_logps });
  for (const i of [0, 1, 2]) {
    expect(found[i]?.loss).toBeCloseTo(wanted[i]?.loss as number, 5);
    expect(found[i]?.norm).toBeCloseTo(wanted[i]?.norm as number, 4);
    expect(found[i]?.metrics?.clip_ratio).toBeCloseTo(wanted[i]?.metrics?.clip_ratio as number, 6);
  }
  // The fourth step is the first one of other answers.
  expect(found.map(({ metrics }) => (metrics?.clip_ratio as number) > 0)).toEqual([false, true, true, false]);
});

test('labels that may be the wrong way round are a mixture of both ways', async () => {
  const turned = { ...pairs(), chosen: inputs.rejected as HostArray, rejected: inputs.chosen as HostArray };
  const [right, wrong, mixed] = await Promise.all([
    run(dpo(base), pairs()),
    run(dpo(base), turned),
    run(dpo({ ...base, smoothing: 0.15 }), pairs()),
  ]);
  expect(mixed.loss).toBeCloseTo(0.85 * right.loss + 0.15 * wrong.loss, 5);
});

test('answers of the very policy push their log-probabilities by what they are worth', async () => {
  const { old_logps: _, ...batch } = groups();
  const plain: Objective = {
    name: 'worth',
    inputs: { rewards: { dtype: 'f32', shape: ['B'] }, advantages: { dtype: 'f32', shape: ['B'] } },
    loss(network, p, given) {
      const labels = given.labels as Tensor;
      const logps = logProbabilities(network, network.forward(p, given).logits as Tensor, labels);
      const each = div(sum(logps, [1]), sum(targetsAt(network, labels), [1]));
      return meanOf(neg(mul(each, given.advantages as Tensor)));
    },
  };
  const [fresh, wanted] = await Promise.all([run(grpo({ loss: 'grpo' }), batch), run(plain, batch)]);
  for (const [name, slope] of Object.entries(wanted.slopes)) same(fresh.slopes[name] as HostArray, slope, name);
});

test('the spread of rewards is that of all answers of a step, however it is cut', async () => {
  const { old_logps: _, ...batch } = groups();
  // Far from zero, where sums of squares have little to tell in f32.
  const far = toNumbers(batch.rewards as HostArray).map((reward) => reward + 1000);
  const whole = { ...batch, rewards: hostArray('f32', [6], far) };
  const mean = far.reduce((sum, x) => sum + x, 0) / 6;
  const spread = Math.sqrt(far.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 5);
  const parts = [
    [0, 1, 2],
    [3, 4, 5],
  ].map((kept) => Object.fromEntries(Object.entries(whole).map(([name, array]) => [name, rows(array, kept)])));
  for (const batches of [[whole], parts]) {
    const { metrics } = await pass({ objective: grpo(), model }, batches);
    expect((metrics.reward_std as number) / spread).toBeCloseTo(1, 4);
  }
});

test('an answer of no words adds nothing, where losses are means over words', async () => {
  /** A batch whose second row has no labels. */
  const silent = (batch: HostArrays): HostArrays => {
    const { shape } = batch.labels as HostArray;
    const width = shape[1] as number;
    const labels = toNumbers(batch.labels as HostArray).map((id, i) => (Math.floor(i / width) === 1 ? -100 : id));
    return { ...batch, labels: hostArray('i64', shape, labels) };
  };
  const lossOf = async (objective: Objective, batch: HostArrays): Promise<number> =>
    (await pass({ objective, model }, [batch])).loss;
  // The policy is the reference: each answer's gain is 0, and so is that of nothing.
  expect(await lossOf(dpo({ loss: 'ipo', beta: 0.5 }), silent(pairs()))).toBeCloseTo(1, 5);
  expect(await lossOf(dpo({ loss: 'sigmoid-norm' }), silent(pairs()))).toBeCloseTo(Math.log(2), 5);
  const { old_logps: _, ...batch } = groups();
  const whole = toNumbers(batch.advantages as HostArray).map((worth, i) => (i === 1 ? 0 : -worth / 6));
  const sum = whole.reduce((a, b) => a + b);
  expect(await lossOf(grpo({ loss: 'grpo' }), silent(batch))).toBeCloseTo(sum, 5);
});
