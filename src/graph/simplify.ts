/** A graph with the same values and fewer nodes: each record's own simplification, and equal nodes made one. */

import { bytesOf } from '../tensor/index.js';
import { type OpName, ops } from './ops/index.js';
import { applyAll, type Node, Tensor, topological } from './tensor.js';

/** Constants above this many bytes are taken as distinct, to save comparing them. */
const comparedBytes = 1024;

/** Simpler tensors with the values of the given ones. Inputs and parameters stay the very same objects. */
export function simplify(outputs: readonly Tensor[]): Tensor[] {
  const numbers = new Map<Tensor, number>();
  const known = new Map<string, Node>();
  const replaced = new Map<Tensor, Tensor>();

  const numberOf = (x: Tensor): number => {
    const number = numbers.get(x) ?? numbers.size;
    numbers.set(x, number);
    return number;
  };
  const isSettled = (node: Node): boolean => replaced.has(node.outputs[0] as Tensor);
  const unique = (node: Node): Node => {
    const key = keyOf(node, numberOf);
    if (key === undefined) return node;
    const before = known.get(key);
    if (!before) known.set(key, node);
    return before ?? node;
  };
  /** Simplifies what a record's rule made anew, down to tensors already seen. */
  const settle = (x: Tensor): Tensor => {
    for (const node of topological([x], isSettled)) visit(node);
    return replaced.get(x) as Tensor;
  };
  const visit = (node: Node): void => {
    const inputs = node.inputs.map((x) => x && (replaced.get(x) as Tensor));
    const simpler = node.inputs.length > 0 ? ops[node.kind as OpName].simplify?.(inputs, node.attributes) : undefined;
    if (simpler) {
      replaced.set(node.outputs[0] as Tensor, settle(simpler));
      return;
    }
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const rebuilt = same ? node : (applyAll(node.kind as OpName, inputs, node.attributes)[0] as Tensor).node;
    const final = unique(rebuilt);
    for (const [i, output] of node.outputs.entries()) replaced.set(output, final.outputs[i] as Tensor);
    for (const output of final.outputs) replaced.set(output, output);
  };

  for (const node of topological(outputs)) if (!isSettled(node)) visit(node);
  return outputs.map((x) => replaced.get(x) as Tensor);
}

/** Nodes with equal keys compute equal values; undefined where a node stands for itself only. */
function keyOf({ kind, inputs, attributes, value }: Node, numberOf: (x: Tensor) => number): string | undefined {
  if (kind === 'Input' || kind === 'Parameter') return undefined;
  if (value) {
    const bytes = bytesOf(value);
    return bytes.length > comparedBytes ? undefined : `${value.dtype}[${value.shape}]${bytes.join()}`;
  }
  return `${kind}(${inputs.map((x) => (x instanceof Tensor ? numberOf(x) : '')).join()})${JSON.stringify(attributes)}`;
}
