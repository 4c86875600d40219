/**
 * The order in which a graph's nodes stand, by which ONNX Runtime decides when to run each: it begins with the last of those
 * that nothing reads, and runs before each what that reads, of several operands the one that stands last first
 * (`Graph::ReverseDFSFrom`, onnxruntime/core/graph/graph.cc). As they were made, much of what only gradients need would be
 * computed before the first of them, and kept.
 */
import type { Graph } from './graph.js';
import { type OpName, ops } from './ops/index.js';
import type { Node } from './tensor.js';

/** The same graph, which the engine runs with less memory: of a node's operands the one that takes longest comes first. */
export function inRunOrder(graph: Graph): Graph {
  const places = new Map(deepestFirst(graph).map((node, place) => [node, place]));
  return { ...graph, nodes: latestFirst(graph.nodes, places) };
}

const operandsOf = ({ inputs }: Node): Node[] => [...new Set(inputs.flatMap((x) => (x ? [x.node] : [])))];

/** The order to run in: what gradients multiply with is at hand long before what they come from, and would wait for it. */
function deepestFirst({ nodes, outputs }: Graph): Node[] {
  const depths = new Map<Node, number>();
  const depthOf = (node: Node): number => depths.get(node) as number;
  for (const node of nodes) depths.set(node, 1 + Math.max(0, ...operandsOf(node).map(depthOf)));
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { readonly node: Node; readonly left: Node[] }[] = [];
  const visit = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    const operands = operandsOf(node);
    const isInTurn = ops[node.kind as OpName]?.inTurn;
    stack.push({ node, left: isInTurn ? operands : operands.sort((a, b) => depthOf(b) - depthOf(a)) });
  };
  for (const { node: output } of Object.values(outputs).reverse()) {
    visit(output);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.left.shift();
      if (next) visit(next);
      else order.push((stack.pop() as typeof top).node);
    }
  }
  return order;
}

/** Each after those that it reads, and among those that may stand next the one to be run last. */
function latestFirst(nodes: readonly Node[], places: ReadonlyMap<Node, number>): Node[] {
  const placeOf = (node: Node): number => places.get(node) as number;
  const missing = new Map(nodes.map((node) => [node, operandsOf(node).length]));
  const readers = new Map<Node, Node[]>(nodes.map((node) => [node, []]));
  for (const node of nodes) for (const operand of operandsOf(node)) readers.get(operand)?.push(node);
  const ready = nodes.filter((node) => missing.get(node) === 0).sort((a, b) => placeOf(a) - placeOf(b));
  const order: Node[] = [];
  for (let node = ready.pop(); node; node = ready.pop()) {
    order.push(node);
    for (const reader of readers.get(node) as Node[]) {
      const left = (missing.get(reader) as number) - 1;
      missing.set(reader, left);
      if (left === 0) ready.splice(ready.findLastIndex((other) => placeOf(other) < placeOf(reader)) + 1, 0, reader);
    }
  }
  return order;
}
