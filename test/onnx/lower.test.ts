/** What lowering says besides the nodes. */
import { expect, test } from 'vitest';
import { add, concat, graph, input, mul, range } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/index.js';

test('the engine is told of shapes that it would have to compute with letters, and of no others', () => {
  const x = input('x', 'f32', ['B', 2]);
  const own = mul(x, x);
  const twice = concat([own, x], 0);
  const fixed = add(range(0, 4), input('n', 'i64', [4]));
  const { nodes, values } = lower(graph('doubled', { y: mul(add(twice, twice), 2), fixed: mul(fixed, fixed) }));
  const opOf = (name: string) => nodes.find(({ outputs }) => outputs.includes(name))?.op;
  expect(values.map(({ name, dtype, shape }) => [opOf(name), dtype, shape])).toEqual([
    ['Concat', 'f32', ['2*B', 2]],
    ['Add', 'f32', ['2*B', 2]],
  ]);
});
