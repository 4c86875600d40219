/** What is added at the same places by several threads: nothing of it may be lost. */
import { expect, test } from 'vitest';
import { addAt, gather, gradients, graph, input, mul, sum, type Tensor } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/lower.js';
import { nativeEngine } from '../../src/runtime/node.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';

const engine = nativeEngine({ threads: 2 });
const random = new Random(7);
const whole = (count: number, below: number) => Array.from({ length: count }, () => random.integer(below));

/** The same result of a graph again and again. */
async function runs(result: Tensor, feeds: Readonly<Record<string, HostArray>>, times: number): Promise<number[][]> {
  const session = await engine.createSession(lower(graph('added', { result })));
  try {
    const found: number[][] = [];
    while (found.length < times) found.push(toNumbers((await session.run(feeds)).result as HostArray));
    return found;
  } finally {
    await session.close();
  }
}

test('the gradient of rows that are picked again and again is whole, and the same each time', async () => {
  const [rows, width, picked] = [64, 192, 1536];
  const [table, ids, weights] = [
    input('table', 'f32', [rows, width]),
    input('ids', 'i64', [picked]),
    input('weights', 'f32', [picked, width]),
  ];
  const [slope] = gradients(sum(mul(gather(table, ids), weights)), [table]) as [Tensor];
  // Most are one of three, and whole numbers add up to the same in any order.
  const [id, weight] = [whole(picked, 3).map((i) => (i < 2 ? i : random.integer(rows))), whole(picked * width, 9)];
  const wanted = new Array<number>(rows * width).fill(0);
  for (const [i, x] of weight.entries()) {
    const at = (id[Math.floor(i / width)] as number) * width + (i % width);
    wanted[at] = (wanted[at] as number) + x;
  }
  const feeds = {
    ids: hostArray('i64', [picked], id),
    weights: hostArray('f32', [picked, width], weight),
  };
  for (const found of await runs(slope, feeds, 50)) expect(found).toEqual(wanted);
});

test.each([
  ['rows', [3, 2, 2], [[-1], [0], [2], [2]], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]],
  [
    'tuples',
    [3, 2, 2],
    [
      [-1, 1],
      [2, -1],
      [0, 0],
    ],
    [1, 2, 10, 20, 5, 6],
  ],
  [
    'single values',
    [3, 2],
    [
      [1, 0],
      [1, 0],
      [-2, 1],
    ],
    [1, 2, 3],
  ],
])('%s are added at places by tuples, which may count from the end', async (_, shape, at, updates) => {
  const k = at[0]?.length as number;
  const inner = shape.slice(k);
  const size = inner.reduce((a, b) => a * b, 1);
  const wanted = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
  for (const [row, tuple] of at.entries()) {
    const first = tuple.reduce((sum, index, axis) => {
      const dim = shape[axis] as number;
      return sum * dim + ((index + dim) % dim);
    }, 0);
    for (let i = 0; i < size; i++) {
      const place = first * size + i;
      wanted[place] = (wanted[place] as number) + (updates[row * size + i] as number);
    }
  }
  // The first axis is a letter, as that of a batch is.
  const x = input('x', 'f32', ['B', ...shape.slice(1)]);
  const result = addAt(x, input('at', 'i64', ['N', k]), input('updates', 'f32', ['N', ...inner]));
  const feeds = {
    x: hostArray('f32', shape, Array.from(wanted.keys())),
    at: hostArray('i64', [at.length, k], at.flat()),
    updates: hostArray('f32', [at.length, ...inner], updates),
  };
  expect(await runs(result, feeds, 1)).toEqual([wanted]);
});
