/**
 * The order in which a graph's nodes stand, by which ONNX Runtime decides when to run each: it begins with the last of those
 * that nothing reads, and runs before each what that reads, of several operands the one that stands last first
 * (`Graph::ReverseDFSFrom`, onnxruntime/core/graph/graph.cc). As they were made, much of what only gradients need would be
 * computed before the first of them, and kept.
 */
import type { Graph } from './graph.js';
import { type OpName, ops } from './ops/index.js';
import type { Node } from './tensor.js';

/**
 * The same graph, which the engine runs with less memory: of a node's operands the one that takes longest comes first. What
 * gradients multiply with is at hand long before what they come from, and would wait for it.
 */
export function inRunOrder(graph: Graph): Graph {
  const operandsOf = deepestFirst(graph);
  return { ...graph, nodes: lastFirst(graph, operandsOf, runOf(graph, operandsOf)) };
}

/** The nodes that a node reads, in the order in which they are to be run. */
type OperandsOf = (node: Node) => readonly Node[];

function deepestFirst({ nodes }: Graph): OperandsOf {
  const depths = new Map<Node, number>();
  const operands = new Map<Node, readonly Node[]>();
  const depthOf = (node: Node): number => depths.get(node) as number;
  for (const node of nodes) {
    const own = [...new Set(node.inputs.flatMap((x) => (x ? [x.node] : [])))];
    depths.set(node, 1 + Math.max(0, ...own.map(depthOf)));
    const sign = ops[node.kind as OpName]?.soonestFirst ? 1 : -1;
    operands.set(
      node,
      own.sort((a, b) => sign * (depthOf(a) - depthOf(b))),
    );
  }
  return (node) => operands.get(node) as readonly Node[];
}

/** When each is to be run: from the last output on, each after what it reads. */
function runOf({ outputs }: Graph, operandsOf: OperandsOf): ReadonlyMap<Node, number> {
  const times = new Map<Node, number>();
  const stack = Object.values(outputs).map(({ node }) => ({ node, next: 0 }));
  const seen = new Set<Node>();
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const operand = operandsOf(top.node)[top.next++];
    if (!operand) {
      if (!times.has(top.node)) times.set(top.node, times.size);
      stack.pop();
    } else if (!seen.has(operand)) {
      seen.add(operand);
      stack.push({ node: operand, next: 0 });
    }
  }
  return times;
}

/**
 * Each after those that it reads, and of a node's operands the one to be run first last. Placed from the end: of those that
 * nothing left reads the one to be run first, unless one to be run before it is still to be placed.
 */
function lastFirst({ nodes }: Graph, operandsOf: OperandsOf, times: ReadonlyMap<Node, number>): Node[] {
  const timeOf = (node: Node): number => times.get(node) as number;
  const readers = new Counts();
  const before = new Counts();
  const behind = new Map<Node, Node[]>(nodes.map((node) => [node, []]));
  for (const [operand, next] of nodes.flatMap((node) => pairsOf(operandsOf(node)))) {
    readers.add(operand, 1);
    if (!next) continue;
    before.add(next, 1);
    behind.get(operand)?.push(next);
  }
  const free = nodes.filter((node) => readers.of(node) === 0).sort((a, b) => timeOf(b) - timeOf(a));
  const order: Node[] = [];
  while (free.length > 0) {
    const [node] = free.splice(
      free.findLastIndex((own) => before.of(own) === 0),
      1,
    ) as [Node];
    order.push(node);
    for (const next of behind.get(node) as Node[]) before.add(next, -1);
    for (const operand of operandsOf(node)) {
      readers.add(operand, -1);
      if (readers.of(operand) > 0) continue;
      free.splice(free.findLastIndex((own) => timeOf(own) > timeOf(operand)) + 1, 0, operand);
    }
  }
  return order.reverse();
}

/** Each with the one behind it. */
const pairsOf = (nodes: readonly Node[]): [Node, Node | undefined][] => nodes.map((node, i) => [node, nodes[i + 1]]);

/** How many others a node waits for. */
class Counts {
  readonly #counts = new Map<Node, number>();
  of(node: Node): number {
    return this.#counts.get(node) ?? 0;
  }
  add(node: Node, count: number): void {
    this.#counts.set(node, this.of(node) + count);
  }
}
