/** Rows of what is computed row by row: computed alone, with the values of the whole. */
import { expect, test } from 'vitest';
import { add, graph, input, matmul, mul, parameter, rowsOf, slice, softmax, tanh } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/lower.js';
import { hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';

const x = input('x', 'f32', [4, 3, 5]);
const weight = parameter('weight', 'f32', [5, 7]);
const bias = parameter('bias', 'f32', [7]);
const whole = tanh(mul(add(matmul(x, weight), bias), 0.5));
const random = new Random(2);
const feeds = Object.fromEntries(
  Object.entries({ x: [4, 3, 5], weight: [5, 7], bias: [7] }).map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [
      name,
      hostArray(
        'f32',
        shape,
        Array.from({ length: size }, () => random.normal()),
      ),
    ];
  }),
);

test('rows of a product come from rows of its operand, and the whole is not computed', async () => {
  const built = graph('rows', { rows: rowsOf(whole, 1, 3) });
  for (const { kind, outputs } of built.nodes) {
    if (kind === 'MatMul') expect(outputs[0]?.shape).toEqual([2, 3, 7]);
  }
  expect(built.nodes.filter(({ kind }) => kind === 'MatMul')).toHaveLength(1);
  const both = graph('both', { rows: rowsOf(whole, 1, 3), expected: slice(whole, 0, 1, 3) });
  const session = await engine.createSession(lower(both));
  const { rows, expected } = await session.run(feeds);
  await session.close();
  expect(toNumbers(rows as NonNullable<typeof rows>)).toEqual(toNumbers(expected as NonNullable<typeof expected>));
});

test('what mixes rows is computed whole', () => {
  const mixed = softmax(whole, 0);
  expect(rowsOf(mixed, 0, 2).node.kind).toBe('Slice');
  // The second operand has rows of its own.
  expect(rowsOf(add(x, mul(x, 2)), 0, 2).node.kind).toBe('Slice');
});
