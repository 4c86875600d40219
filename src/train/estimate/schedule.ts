/**
 * What ONNX Runtime keeps in memory while it runs a graph: each value from the operator that computes it to the last one that
 * reads it.
 */
import { type Graph, type Node, type OpName, ops, type Tensor } from '../../graph/index.js';
import { byteSizeOf, type Dim, evaluateDim, mulDims, productOf, QuintetError } from '../../tensor/index.js';

/** What the letters of a graph's dimensions are in a run. */
export type Sizes = ReadonlyMap<string, number>;

/** Sizes of tensors; dimensions are computed once. */
export interface Measure {
  dim(dim: Dim): number;
  bytes(tensor: Tensor): number;
}

export function measure(sizes: Sizes): Measure {
  const known = new Map<string, number>();
  const dim: Measure['dim'] = (own) => {
    if (typeof own === 'number') return own;
    const size = known.get(own) ?? evaluateDim(own, sizes);
    known.set(own, size);
    return size;
  };
  return { dim, bytes: ({ dtype, shape }) => byteSizeOf(dtype, shape.map(dim)) };
}

/** An operator, and the tensors that it reads: not what is written into it, such as a transpose. */
export interface Operation {
  readonly node: Node;
  readonly reads: readonly Tensor[];
}

const isComputed = (node: Node): boolean => node.name === undefined && node.value === undefined;

function operationOf(node: Node): Operation {
  const written = ops[node.kind as OpName].write?.(node.inputs, node.attributes).inputs ?? node.inputs;
  return { node, reads: written.filter((x) => x !== null) };
}

/** The operators that the outputs need, each after those that it needs, as they are written. */
export function operationsOf({ nodes, outputs }: Graph): Operation[] {
  const needed = new Set(Object.values(outputs).map(({ node }) => node));
  const operations: Operation[] = [];
  for (const node of nodes.toReversed()) {
    if (!isComputed(node) || !needed.has(node)) continue;
    const operation = operationOf(node);
    for (const { node: before } of operation.reads) needed.add(before);
    operations.push(operation);
  }
  return operations.reverse();
}

/**
 * The operators in the order in which ONNX Runtime runs them: backwards from the ones that nothing reads, of several the last
 * one written first (`Graph::ReverseDFSFrom`, onnxruntime/core/graph/graph.cc).
 */
export function inOrder(operations: readonly Operation[]): Operation[] {
  const places = new Map(operations.map(({ node }, place) => [node, place]));
  const before = operations.map(({ reads }) => {
    const own = new Set(reads.flatMap(({ node }) => places.get(node) ?? []));
    return [...own].sort((a, b) => a - b);
  });
  const read = new Set(before.flat());
  const stack = operations.flatMap((_, place) => (read.has(place) ? [] : [{ place, done: false }]));
  const seen = new Set<number>();
  const order: Operation[] = [];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { place, done } = top;
    if (done) order.push(operations[place] as Operation);
    if (done || seen.has(place)) continue;
    seen.add(place);
    stack.push({ place, done: true });
    for (const own of before[place] as number[]) if (!seen.has(own)) stack.push({ place: own, done: false });
  }
  return order;
}

/** The most bytes that the values of a run take together, without what it is fed and what it gives, by sizes. */
export function peakOfValues(graph: Graph): (sizes: Sizes) => number {
  const order = inOrder(operationsOf(graph));
  const memoryOf = memories(order);
  const lastReader = new Map<Tensor, Node>();
  for (const { node, reads } of order) for (const x of reads) lastReader.set(memoryOf(x), node);
  const given = new Set(Object.values(graph.outputs).map(memoryOf));
  const counts = (x: Tensor): boolean => memoryOf(x) === x && !given.has(x) && lastReader.has(x);
  const changes = order.map(({ node, reads }) => ({
    begun: node.outputs.filter(counts),
    ended: [...new Set(reads.map(memoryOf))].filter(
      (x) => lastReader.get(x) === node && isComputed(x.node) && !given.has(x),
    ),
  }));
  return (sizes) => {
    const { bytes } = measure(sizes);
    const sum = (tensors: readonly Tensor[]): number => tensors.reduce((all, x) => all + bytes(x), 0);
    let [now, most] = [0, 0];
    for (const { begun, ended } of changes) {
      now += sum(begun);
      most = Math.max(most, now);
      now -= sum(ended);
    }
    return most;
  };
}

/** The tensor in whose memory another one is. */
function memories(order: readonly Operation[]): (x: Tensor) => Tensor {
  const viewed = new Map<Tensor, Tensor>();
  const memoryOf = (x: Tensor): Tensor => viewed.get(x) ?? x;
  for (const { node, reads } of order) {
    if (ops[node.kind as OpName].view) viewed.set(node.outputs[0] as Tensor, memoryOf(reads[0] as Tensor));
  }
  return memoryOf;
}

/** Floating-point operations of a run: two a number that a product adds up, one a number that anything else computes. */
export function workOf(graph: Graph): (sizes: Sizes) => number {
  const terms = operationsOf(graph).flatMap(({ node }): Dim[] => {
    const { products, view } = ops[node.kind as OpName];
    if (products) return [mulDims(2, products(node.inputs, node.outputs))];
    return view ? [] : node.outputs.map(({ shape }) => productOf(shape));
  });
  return (sizes) => {
    const { dim } = measure(sizes);
    return terms.reduce<number>((work, term) => work + dim(term), 0);
  };
}

/** What the letters of some inputs are, by arrays that are fed to them. */
export function sizesOf(
  inputs: Readonly<Record<string, Pick<Tensor, 'shape'>>>,
  fed: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): Sizes {
  const sizes = new Map<string, number>();
  for (const [name, { shape }] of Object.entries(fed)) {
    for (const [axis, dim] of (inputs[name]?.shape ?? []).entries()) {
      const size = shape[axis];
      if (size === undefined) throw new QuintetError('shape', `has no axis ${axis}`, { at: name });
      if (typeof dim === 'string') sizes.set(dim, size);
    }
  }
  return sizes;
}
