/** Optimisers against PyTorch's and transformers', step by step on given gradients. */
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { initialWeights, type Model, openSession } from '../../src/model/index.js';
import type { Params } from '../../src/nn/index.js';
import { adafactor, adam, adamw, lion, muon, type Optimizer, rmsprop, sgd } from '../../src/system/index.js';
import { type HostArray, sizeOf } from '../../src/tensor/index.js';
import { type Arena, createArena, type TrainedTensor } from '../../src/train/arena.js';
import { clipScale, gradientNorm } from '../../src/train/gradients.js';
import { openLearner } from '../../src/train/learner.js';
import { checkOptimizer, openOptimiser, stateFor } from '../../src/train/optimisers/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';

type Numbers = Readonly<Record<string, readonly number[]>>;

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/train/${name}`, import.meta.url), 'utf8')) as T;

const clipped = read<{
  readonly settings: { readonly betas: [number, number]; readonly eps: number; readonly decay: number };
  readonly clip: number;
  readonly tensors: readonly (TrainedTensor & { readonly values: number[]; readonly rate: number })[];
  readonly steps: {
    readonly rate: number;
    readonly gradients: Numbers;
    readonly norm: number;
    readonly values: Numbers;
  }[];
}>('adamw.json');

const whole = read<{
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly start: Numbers;
  readonly gradients: readonly Numbers[];
  readonly reported: readonly number[];
  readonly cases: readonly {
    readonly optimizer: Optimizer;
    readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
    readonly average?: Numbers;
  }[];
}>('optimisers.json');

const compiler = { engine, weights: initialWeights(0), adapt: (p: Params) => p, session: {} };

function open(optimizer: Optimizer, tensors: readonly TrainedTensor[]) {
  const arena = createArena(tensors, { state: stateFor(optimizer) });
  const optimiser = openOptimiser(optimizer, arena, (graph) => openSession(compiler, graph, new Map()));
  onTestFinished(() => optimiser.close());
  return { arena, optimiser };
}

function fill(region: Arena['values'], numbers: Numbers): void {
  for (const [name, { data }] of Object.entries(region.tensors)) (data as Float32Array).set(numbers[name] ?? []);
}

const trained = Object.entries(whole.shapes).map(([name, shape]) => ({ name, shape }));

function same(tensors: Readonly<Record<string, HostArray>>, name: string, data: readonly number[], what: string): void {
  const shape = whole.shapes[name] as number[];
  expectClose(tensors[name] as HostArray, { shape, data }, `${name} ${what}`, { rtol: 1e-5, atol: 0 });
}

describe('fifty steps, zeros and tiny gradients among them, equal the reference', () => {
  test.each(whole.cases)('$optimizer', async ({ optimizer, values }) => {
    checkOptimizer(optimizer, 50, 'optimizer');
    const { arena, optimiser } = open(optimizer, trained);
    fill(arena.values, whole.start);
    for (const [i, gradients] of whole.gradients.entries()) {
      fill(arena.gradients, gradients);
      await optimiser.step({ step: i + 1, factor: 1 });
      const at = whole.reported.indexOf(i + 1);
      if (at < 0) continue;
      for (const { name } of trained)
        same(arena.values.tensors, name, values[name]?.[at] as number[], `after step ${i + 1}`);
    }
  });
});

test('averages of the weights equal PyTorch’s', async () => {
  const [{ optimizer, values, average } = whole.cases[0] as never] = whole.cases;
  const results = [true, false].map(async (use) => {
    const own = { ...optimizer, average: { decay: 0.9, use } };
    const learner = openLearner(compiler as unknown as Model, trained, {
      optimizer: own,
      steps: 50,
      accumulates: false,
    });
    onTestFinished(() => learner.close());
    fill(learner.arena.values, whole.start);
    for (const [index, gradients] of whole.gradients.entries()) {
      fill(learner.arena.gradients, gradients);
      await learner.update(index, { norm: 1, targets: 1 });
    }
    expect(Object.keys(learner.regions).sort()).toEqual(['average', 'first', 'second', 'values']);
    for (const { name } of trained) {
      same(
        learner.learnt,
        name,
        use ? (average?.[name] as number[]) : (values[name]?.at(-1) as number[]),
        'in the end',
      );
    }
  });
  await Promise.all(results);
});

test('twelve AdamW steps with clipping, decay of matrices and a tensor at half rate equal PyTorch', async () => {
  const slower = clipped.tensors.filter(({ rate }) => rate !== 1);
  const groups = slower.map(({ name, rate }) => ({ on: [name], lr: rate }));
  const { arena, optimiser } = open(adamw({ ...clipped.settings, lr: 1, groups }), clipped.tensors);
  fill(arena.values, Object.fromEntries(clipped.tensors.map(({ name, values }) => [name, values])));
  for (const [index, step] of clipped.steps.entries()) {
    fill(arena.gradients, step.gradients);
    const norm = gradientNorm(arena);
    expect(Math.abs(norm - step.norm)).toBeLessThanOrEqual(1e-6 * step.norm);
    await optimiser.step({ step: index + 1, factor: step.rate, gradientScale: clipScale(norm, clipped.clip) });
    for (const { name, shape } of clipped.tensors) {
      const expected = { shape, data: step.values[name] as number[] };
      const rule = { rtol: 1e-6, atol: 0 };
      expectClose(arena.values.tensors[name] as HostArray, expected, `${name} after step ${index}`, rule);
    }
  }
});

test('a parameter whose gradient is always zero only decays, and one at rate zero does not move at all', async () => {
  const { arena, optimiser } = open(adamw({ lr: 1, decay: 0.5 }), [{ name: 'w', shape: [1, 5] }]);
  const { data } = arena.values.tensors.w as HostArray;
  fill(arena.values, { w: [1, -2, 3, 4, 5] });
  await optimiser.step({ step: 1, factor: 0 });
  expect([...data]).toEqual([1, -2, 3, 4, 5]);
  await optimiser.step({ step: 2, factor: 0.25 });
  expect([...data]).toEqual([1, -2, 3, 4, 5].map((x) => x * 0.875));
});

test.each(whole.cases.map(({ optimizer }) => optimizer))(
  'padding between tensors stays zero, and scaled gradients are the same as smaller ones: %o',
  async (optimizer) => {
    const results = [1, 1 / 8].map(async (gradientScale) => {
      const { arena, optimiser } = open(optimizer, trained);
      fill(arena.values, whole.start);
      for (const [i, gradients] of whole.gradients.slice(0, 3).entries()) {
        fill(arena.gradients, gradients);
        for (let at = 0; at < arena.gradients.data.length; at++)
          (arena.gradients.data[at] as number) /= 8 * gradientScale;
        await optimiser.step({ step: i + 1, factor: 0.5, gradientScale });
      }
      const used = trained.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      expect(arena.values.data.filter((x) => x !== 0).length).toBeLessThanOrEqual(used);
      return Object.values(arena.values.tensors).flatMap(({ data }) => [...(data as Float32Array)]);
    });
    const [plain, scaled] = await Promise.all(results);
    expect(scaled).toEqual(plain);
  },
);

test('Adafactor keeps a row and a column of a matrix, Lion one number a parameter, plain descent nothing', () => {
  const matrix = { name: 'w', shape: [100, 50] };
  expect(stateFor(adafactor({ lr: 1 }))(matrix)).toEqual({ rows: [100], columns: [50] });
  expect(stateFor(lion({ lr: 1 }))(matrix)).toEqual({ first: [100, 50] });
  expect(stateFor(sgd({ lr: 1 }))(matrix)).toEqual({});
});

test('settings that cannot be meant are refused by field', () => {
  const refused = (optimizer: Optimizer) => expect(() => checkOptimizer(optimizer, 100, 'stages.align.optimizer'));
  refused(adamw({ lr: 0 })).toThrow('stages.align.optimizer.lr: expected a positive number, got 0');
  refused(adamw({ lr: 1e-3, betas: [0.9, 1] })).toThrow('optimizer.betas[1]: expected a number below 1, got 1');
  refused(adam({ lr: 1e-3, eps: 0 })).toThrow('optimizer.eps');
  refused(adamw({ lr: 2, decay: 0.5 })).toThrow('optimizer.decay');
  refused(adamw({ lr: 1e-3, clip: Number.NaN })).toThrow('optimizer.clip');
  refused(adamw({ lr: 1e-3, warmup: 50 })).toThrow('optimizer.warmup: expected a part of the run');
  refused(adamw({ lr: 1e-3, groups: [{ on: ['**'], lr: -1 }] })).toThrow('optimizer.groups[0].lr');
  refused(adamw({ lr: 1e-3, average: { decay: 1 } })).toThrow('optimizer.average.decay');
  refused(sgd({ lr: 1e-3, nesterov: true })).toThrow('optimizer.nesterov');
  refused(rmsprop({ lr: 1e-3, momentum: 1 })).toThrow('optimizer.momentum');
  refused(adafactor({ lr: 1e-3, smoothing: 0.8 })).toThrow('optimizer.smoothing');
  refused(adafactor({ lr: 1e-3, form: 'torch', scaled: false })).toThrow('optimizer.scaled: expected true, as torch');
  refused(adafactor({ lr: 1e-3, form: 'torch', relative: false })).toThrow('optimizer.relative');
  refused(muon({ lr: 1e-3, rest: { lr: 1e-3, eps: -1 } })).toThrow('optimizer.rest.eps');
  refused(muon({ lr: 1e-3, rest: { lr: 1e-3, decay: -1 } })).toThrow('optimizer.rest.decay');
  checkOptimizer(
    adamw({ lr: 2e-5, betas: [0.9, 0.95], decay: 0.1, warmup: 0.03, schedule: 'cosine', clip: 0 }),
    100,
    '',
  );
});

test('groups that no parameter is in, and Muon over what is no matrix, are refused before the first step', () => {
  const opened = (optimizer: Optimizer) =>
    expect(() => openLearner(compiler as unknown as Model, trained, { optimizer, steps: 1, accumulates: false }));
  opened(adamw({ lr: 1, groups: [{ on: ['nothing.*'], lr: 2 }] })).toThrow(
    'optimizer.groups[0].on: expected patterns of the 4 that learn, such as matrix, wide, vector, kernel, got nothing.*',
  );
  opened(muon({ lr: 1 })).toThrow('optimizer.rest: expected settings for what is no matrix, got vector');
  opened(adamw({ lr: 1, groups: [{ on: [], lr: 2 }] })).toThrow(
    'optimizer.groups[0].on: expected one pattern or more, got none',
  );
  const rest = (on: readonly string[]) => opened(muon({ lr: 1, rest: { lr: 1, on } }));
  rest(['nothing.*']).toThrow('optimizer.rest.on: expected patterns of the 4 that learn');
  rest([]).toThrow('optimizer.rest.on: expected one pattern or more, got none');
});
