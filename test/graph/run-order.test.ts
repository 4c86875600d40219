/** When the engine computes what, by the order in which nodes stand. */
import { expect, test } from 'vitest';
import {
  add,
  gradients,
  graph,
  input,
  inRunOrder,
  matmul,
  mul,
  silu,
  sum,
  type Tensor,
} from '../../src/graph/index.js';
import { inOrder, operationsOf, peakOfValues, sizesOf } from '../../src/train/estimate/schedule.js';

const x = input('x', 'f32', ['B', 8]);
const w = input('w', 'f32', [8, 8]);
const sizes = sizesOf({ x, w }, { x: { shape: [16, 8] }, w: { shape: [8, 8] } });

/** Gated products one behind the other, and the gradient of what goes into the first. */
function chain(depth: number) {
  const begun = mul(x, 2);
  let y = begun;
  for (let i = 0; i < depth; i++) y = add(y, mul(silu(matmul(y, w)), matmul(y, w)));
  const [slope] = gradients(sum(mul(y, y)), [begun]) as [Tensor];
  return graph('chain', { slope });
}

test('nodes in run order are the same nodes, each after those that it reads', () => {
  const built = chain(3);
  const { nodes } = inRunOrder(built);
  expect(new Set(nodes)).toEqual(new Set(built.nodes));
  const before = new Set<unknown>();
  for (const node of nodes) {
    for (const operand of node.inputs) if (operand) expect(before.has(operand.node)).toBe(true);
    before.add(node);
  }
});

test('what only gradients need is computed when they come to it', () => {
  const built = chain(6);
  const kinds = inOrder(operationsOf(inRunOrder(built))).map(({ node }) => node.kind);
  // The slope of the activation begins with a sigmoid: none before the last product of the forward pass.
  expect(kinds.filter((kind, i) => kind === 'Sigmoid' && i < kinds.indexOf('ReduceSum'))).toEqual([]);
  expect(peakOfValues(inRunOrder(built))(sizes)).toBeLessThan(0.8 * peakOfValues(built)(sizes));
});
