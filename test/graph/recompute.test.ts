import { describe, expect, test } from 'vitest';
import {
  add,
  gradients,
  graph,
  input,
  layerNormalization,
  matmul,
  mul,
  parameter,
  printGraph,
  recomputingGradients,
  silu,
  sum,
  type Tensor,
  topological,
} from '../../src/graph/index.js';

const blockOf = (name: string): string | undefined => /^block\d/.exec(name)?.[0];

/** A residual block of a norm and two products around an activation. */
function block(x: Tensor, name: string): Tensor {
  const weight = (part: string, shape: number[]) => parameter(`${name}.${part}`, 'f32', shape);
  const seen = layerNormalization(x, weight('norm', [8]), null, 1e-5);
  return add(x, matmul(silu(matmul(seen, weight('up', [8, 16]))), weight('down', [16, 8])));
}

function network() {
  const x = input('x', 'f32', ['B', 8]);
  const inside = block(block(mul(x, parameter('scale', 'f32', [8])), 'block0'), 'block1');
  const scores = matmul(inside, parameter('head', 'f32', [8, 5]));
  const loss = sum(mul(scores, scores));
  const parameters = topological([loss]).filter(({ kind }) => kind === 'Parameter');
  return { loss, parameters: parameters.map(({ outputs }) => outputs[0] as Tensor) };
}

const kinds = (nodes: readonly { readonly kind: string }[], kind: string) => nodes.filter((node) => node.kind === kind);

describe('recomputation', () => {
  const { loss, parameters } = network();
  const slopes = recomputingGradients(loss, parameters, blockOf) as Tensor[];
  const outputs = Object.fromEntries(slopes.map((slope, i) => [`g${i}`, slope]));
  const { nodes } = graph('step', { loss, ...outputs });

  test('repeats the products before the activations, and none behind them or outside of blocks', () => {
    const plain = gradients(loss, parameters).map((slope, i): [string, Tensor] => [`g${i}`, slope as Tensor]);
    const before = graph('step', { loss, ...Object.fromEntries(plain) });
    expect(kinds(nodes, 'MatMul').length).toBe(kinds(before.nodes, 'MatMul').length + 2);
    expect(kinds(nodes, 'QuickGelu').length).toBe(kinds(before.nodes, 'QuickGelu').length);
  });

  test('leaves no tensor of the forward pass to the backward pass but what enters and leaves blocks', () => {
    const forward = new Set(topological([loss]));
    const backward = topological(slopes).filter((node) => !forward.has(node));
    const kept = new Set(backward.flatMap(({ inputs }) => inputs.filter((x) => x && forward.has(x.node))));
    const activations = [...kept].filter(
      (x) => !['Parameter', 'Input', 'Constant', 'Transpose', 'Expand'].includes((x as Tensor).node.kind),
    );
    expect(activations.map((x) => (x as Tensor).node.kind).sort()).toEqual(['Add', 'Add', 'MatMul', 'Mul']);
  });

  test('begins a block only when the gradient behind it is known: the first one after the second', () => {
    const late = nodes.filter(({ kind, inputs }) => kind === 'Add' && inputs[1]?.node.kind === 'Min');
    expect(late.map(({ outputs }) => kinds(topological(outputs), 'Min').length).sort()).toEqual([1, 2]);
  });
});

test('a graph without blocks is differentiated as ever', () => {
  const { loss, parameters } = network();
  const print = (slopes: readonly (Tensor | null)[]) =>
    printGraph(graph('step', Object.fromEntries(slopes.map((slope, i) => [`g${i}`, slope as Tensor]))));
  expect(print(recomputingGradients(loss, parameters, () => undefined))).toBe(print(gradients(loss, parameters)));
});
