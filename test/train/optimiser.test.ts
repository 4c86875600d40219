import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type AdamW, adamw } from '../../src/system/stage.js';
import type { HostArray } from '../../src/tensor/index.js';
import { type AdamWSettings, adamwStep, checkAdamW } from '../../src/train/adamw.js';
import { createArena, type TrainedTensor } from '../../src/train/arena.js';
import { accumulateGradients, clipScale, gradientNorm } from '../../src/train/gradients.js';
import { expectClose } from '../graph/close.js';

interface AdamWFixture {
  settings: AdamWSettings;
  clip: number;
  tensors: (TrainedTensor & { values: number[] })[];
  steps: {
    rate: number;
    gradients: Record<string, number[]>;
    norm: number;
    values: Record<string, number[]>;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/train/adamw.json', import.meta.url), 'utf8'),
) as AdamWFixture;

const tensorOf = (tensors: Readonly<Record<string, HostArray>>, name: string): HostArray => {
  const found = tensors[name];
  if (!found) throw new Error(`no tensor ${name}`);
  return found;
};
const fill = (array: HostArray, values: readonly number[]) => (array.data as Float32Array).set(values);

test('twelve AdamW steps with clipping, decay of matrices and a tensor at half rate equal PyTorch', () => {
  const arena = createArena(fixture.tensors);
  for (const { name, values } of fixture.tensors) fill(tensorOf(arena.values.tensors, name), values);
  for (const [index, step] of fixture.steps.entries()) {
    for (const { name } of fixture.tensors)
      fill(tensorOf(arena.gradients.tensors, name), step.gradients[name] as number[]);
    const norm = gradientNorm(arena);
    expect(Math.abs(norm - step.norm)).toBeLessThanOrEqual(1e-6 * step.norm);
    const gradientScale = clipScale(norm, fixture.clip);
    adamwStep(arena, fixture.settings, { step: index + 1, rate: step.rate, gradientScale });
    for (const { name, shape } of fixture.tensors) {
      const expected = { shape, data: step.values[name] as number[] };
      expectClose(tensorOf(arena.values.tensors, name), expected, `${name} after step ${index}`, {
        rtol: 1e-6,
        atol: 0,
      });
    }
  }
});

test('a parameter whose gradient is always zero only decays, and one at rate zero does not move at all', () => {
  const arena = createArena([{ name: 'w', shape: [1, 5], decay: true }]);
  const values = tensorOf(arena.values.tensors, 'w');
  fill(values, [1, -2, 3, 4, 5]);
  const settings = { decay: 0.5 };
  adamwStep(arena, settings, { step: 1, rate: 0 });
  expect([...values.data]).toEqual([1, -2, 3, 4, 5]);
  adamwStep(arena, settings, { step: 2, rate: 0.25 });
  expect([...values.data]).toEqual([1, -2, 3, 4, 5].map((x) => x * 0.875));
});

test('tensors lie apart at multiples of 64 bytes, and a step leaves the padding between them zero', () => {
  const arena = createArena([
    { name: 'a', shape: [3], decay: false },
    { name: 'b', shape: [17, 1], decay: true },
    { name: 'c', shape: [], decay: false },
  ]);
  for (const region of [arena.values, arena.gradients]) {
    for (const { data } of Object.values(region.tensors)) (data as Float32Array).fill(1);
  }
  adamwStep(arena, {}, { step: 1, rate: 0.1 });
  const offsets = Object.values(arena.values.tensors).map(({ data }) => data.byteOffset);
  expect(offsets).toEqual([0, 64, 128]);
  const padding = arena.values.data.filter((_, i) => i >= 3 && i < 16);
  expect([...padding]).toEqual(new Array(13).fill(0));
  expect(arena.size).toBe(21);
  expect(arena.groups).toEqual([
    { decay: false, rate: 1, offset: 0, bytes: 128 },
    { decay: true, rate: 1, offset: 128, bytes: 128 },
  ]);
});

test('the norm of a million gradients is exact to f64, and not finite when one of them is not', () => {
  const arena = createArena([{ name: 'w', shape: [1_000_003], decay: false }]);
  const { data } = tensorOf(arena.gradients.tensors, 'w');
  // The small ones are lost, one by one, on a sum kept in f32.
  for (let i = 0; i < data.length; i++) data[i] = i % 1000 === 0 ? 1e3 : 0.5;
  expect(gradientNorm(arena)).toBeCloseTo(Math.sqrt(1001 * 1e6 + 999_002 * 0.25), 9);
  data[777_777] = Number.POSITIVE_INFINITY;
  expect(gradientNorm(arena)).toBe(Number.POSITIVE_INFINITY);
  data[1] = Number.NaN;
  expect(gradientNorm(arena)).toBeNaN();
});

test('gradients of micro-batches add up', () => {
  const arena = createArena([{ name: 'w', shape: [5], decay: false }], { accumulation: true });
  fill(tensorOf(arena.gradients.tensors, 'w'), [1, 2, 3, 4, 5]);
  fill(tensorOf(arena.incoming?.tensors ?? {}, 'w'), [10, 20, 30, 40, 50]);
  accumulateGradients(arena);
  accumulateGradients(arena);
  expect([...tensorOf(arena.gradients.tensors, 'w').data]).toEqual([21, 42, 63, 84, 105]);
});

test('an arena over 4 GiB, a name given twice, and accumulation without its region are refused with a reason', () => {
  expect(() => createArena([{ name: 'w', shape: [2 ** 28 + 1], decay: false }])).toThrow(/at most 4.*\n.*LoRA/s);
  const twice = { name: 'w', shape: [2], decay: false };
  expect(() => createArena([twice, twice])).toThrow('w: is trained twice');
  expect(() => accumulateGradients(createArena([twice]))).toThrow('without accumulation');
});

test('the clipping factor never enlarges', () => {
  expect(clipScale(0, 1)).toBe(1);
  expect(clipScale(0.5, 1)).toBe(1);
  expect(clipScale(4, 1)).toBeCloseTo(0.25, 6);
});

test('settings that cannot be meant are refused by field', () => {
  const refused = (settings: Omit<AdamW, 'kind'>) =>
    expect(() => checkAdamW(adamw(settings), 100, 'stages.align.optimizer'));
  refused({ lr: 0 }).toThrow('stages.align.optimizer.lr: expected a positive number, got 0');
  refused({ lr: 1e-3, betas: [0.9, 1] }).toThrow('optimizer.betas[1]: expected a number below 1, got 1');
  refused({ lr: 1e-3, eps: 0 }).toThrow('optimizer.eps');
  refused({ lr: 2, decay: 0.5 }).toThrow('optimizer.decay');
  refused({ lr: 1e-3, clip: Number.NaN }).toThrow('optimizer.clip');
  refused({ lr: 1e-3, minimum: 3 }).toThrow('optimizer.minimum');
  refused({ lr: 1e-3, warmup: { steps: 101 } }).toThrow('warmup.steps: expected a whole number up to the 100');
  refused({ lr: 1e-3, warmup: 50 }).toThrow('optimizer.warmup: expected a part of the run');
  checkAdamW(adamw({ lr: 2e-5, betas: [0.9, 0.95], decay: 0.1, warmup: 0.03, schedule: 'cosine', clip: 0 }), 100, '');
});
