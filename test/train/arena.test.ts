import { expect, test } from 'vitest';
import type { HostArray } from '../../src/tensor/index.js';
import { createArena } from '../../src/train/arena.js';
import { accumulateGradients, clipScale, gradientNorm } from '../../src/train/gradients.js';

const tensorOf = (tensors: Readonly<Record<string, HostArray>>, name: string): HostArray => {
  const found = tensors[name];
  if (!found) throw new Error(`no tensor ${name}`);
  return found;
};
const fill = (array: HostArray, values: readonly number[]) => (array.data as Float32Array).set(values);

test('tensors lie apart at multiples of 64 bytes, and each region of state has those that have such a state', () => {
  const arena = createArena(
    [
      { name: 'a', shape: [3] },
      { name: 'b', shape: [17, 2] },
      { name: 'c', shape: [] },
    ],
    { state: ({ shape }) => (shape.length === 2 ? { rows: [17], columns: [2] } : { second: shape }), average: true },
  );
  const places = (region: { tensors: Readonly<Record<string, HostArray>> } | undefined) =>
    Object.entries(region?.tensors ?? {}).map(([name, { shape, data }]) => [name, shape, data.byteOffset]);
  expect(places(arena.values)).toEqual([
    ['a', [3], 0],
    ['b', [17, 2], 64],
    ['c', [], 256],
  ]);
  expect(places(arena.average).map(([, , at]) => at)).toEqual([640, 704, 896]);
  expect(places(arena.state.second)).toEqual([
    ['a', [3], 960],
    ['c', [], 1024],
  ]);
  expect(places(arena.state.rows)).toEqual([['b', [17], 1088]]);
  expect(places(arena.state.columns)).toEqual([['b', [2], 1216]]);
  expect(arena.size).toBe(38);
});

test('the norm of a million gradients is exact to f64, and not finite when one of them is not', () => {
  const arena = createArena([{ name: 'w', shape: [1_000_003] }]);
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
  const arena = createArena([{ name: 'w', shape: [5] }], { accumulation: true });
  fill(tensorOf(arena.gradients.tensors, 'w'), [1, 2, 3, 4, 5]);
  fill(tensorOf(arena.incoming?.tensors ?? {}, 'w'), [10, 20, 30, 40, 50]);
  accumulateGradients(arena);
  accumulateGradients(arena);
  expect([...tensorOf(arena.gradients.tensors, 'w').data]).toEqual([21, 42, 63, 84, 105]);
});

test('an arena over 4 GiB, a name given twice, and accumulation without its region are refused with a reason', () => {
  expect(() => createArena([{ name: 'w', shape: [2 ** 29 + 1] }])).toThrow(/at most 4.*\n.*LoRA/s);
  const twice = { name: 'w', shape: [2] };
  expect(() => createArena([twice, twice])).toThrow('w: is trained twice');
  expect(() => accumulateGradients(createArena([twice]))).toThrow('without accumulation');
});

test('the clipping factor never enlarges', () => {
  expect(clipScale(0, 1)).toBe(1);
  expect(clipScale(0.5, 1)).toBe(1);
  expect(clipScale(4, 1)).toBeCloseTo(0.25, 6);
});
