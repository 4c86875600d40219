/** A graph as text, one node a line: what the golden files of the tests hold, and what a person reads. */

import { formatShape, sizeOf, toNumbers } from '../tensor/index.js';
import type { Graph } from './graph.js';
import type { Node, Tensor } from './tensor.js';

function describe(node: Node): string {
  if (node.value) {
    const numbers = sizeOf(node.value.shape) <= 8 ? toNumbers(node.value).join(' ') : '...';
    return `constant ${numbers}`;
  }
  if (node.name !== undefined) return `${node.kind.toLowerCase()} ${node.name}`;
  return node.kind;
}

/** `%3 = MatMul(%1, %2) f32 [B, T, 64]`, attributes in braces, outputs named at the end. */
export function printGraph(graph: Graph): string {
  const numbers = new Map<Tensor, number>();
  const lines = [`graph ${graph.name}`];
  for (const node of graph.nodes) {
    for (const output of node.outputs) numbers.set(output, numbers.size);
    const results = node.outputs.map((output) => `%${numbers.get(output)}`).join(', ');
    const operands = node.inputs.map((x) => (x ? `%${numbers.get(x)}` : '-')).join(', ');
    const attributes = Object.entries(node.attributes).map(([key, value]) => `${key}: ${[value].flat().join(' ')}`);
    const types = node.outputs.map((output) => `${output.dtype} ${formatShape(output.shape)}`).join(', ');
    const call = node.inputs.length > 0 ? `${describe(node)}(${operands})` : describe(node);
    lines.push(`  ${results} = ${call}${attributes.length ? ` {${attributes.join(', ')}}` : ''} ${types}`);
  }
  for (const [name, tensor] of Object.entries(graph.outputs)) lines.push(`  output ${name} = %${numbers.get(tensor)}`);
  return `${lines.join('\n')}\n`;
}
