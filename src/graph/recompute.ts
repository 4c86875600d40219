/**
 * Gradients that take less memory: what lies within a block is not kept for them, but computed again from what goes into
 * the block. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, https://arxiv.org/abs/1604.06174
 *
 * The nodes of a graph are cut into stretches: those of each block, and those before, between and behind blocks. Only within
 * blocks anything is computed twice.
 */
import { isFloat } from '../tensor/index.js';
import { abs, add, cast, minimum, reshape, slice } from './functions.js';
import { gradients } from './gradient.js';
import type { OpName } from './ops/index.js';
import { applyAll, type Node, type Tensor, topological } from './tensor.js';

/** As `gradients`, to the bit. `blockOf` names the block that a parameter belongs to. */
export function recomputingGradients(
  loss: Tensor,
  by: readonly Tensor[],
  blockOf: (parameter: string) => string | undefined,
): (Tensor | null)[] {
  const order = topological([loss]);
  const forward = forwardOf(loss, order, stretchesOf(order, blockOf));
  const ends = endsOf(order, forward, by);
  const all = gradients(loss, [...by, ...ends.values()]);
  const signals = new Map([...ends.keys()].map((stretch, i) => [stretch, all[by.length + i] ?? null]));
  const again = recomputation(forward);
  // From the last block to the first: what a block's recomputation waits for needs those of later blocks only.
  for (const [stretch, signal] of [...signals].sort(([a], [b]) => b - a)) {
    if (signal) again.allow(stretch, again.rewritten(signal));
  }
  return all.slice(0, by.length).map((slope) => slope && again.rewritten(slope));
}

/** Odd numbers are blocks, in order; even ones what lies between them. */
type Stretch = number;

/** Which stretch each node belongs to: the last of those that it depends on, or of the block whose parameter it takes. */
function stretchesOf(order: readonly Node[], blockOf: (parameter: string) => string | undefined): Map<Node, Stretch> {
  const blocks = new Map<string, Stretch>();
  const stretches = new Map<Node, Stretch>();
  for (const node of order) {
    const operands = node.inputs.flatMap((x) => (x ? [x.node] : []));
    let stretch = Math.max(0, ...operands.map((own) => stretches.get(own) ?? 0));
    for (const { kind, name } of operands) {
      if (kind !== 'Parameter') continue;
      const block = blockOf(name as string);
      if (block === undefined) stretch += stretch % 2;
      else {
        const own = blocks.get(block) ?? 2 * blocks.size + 1;
        blocks.set(block, own);
        stretch = Math.max(stretch, own);
      }
    }
    stretches.set(node, stretch);
  }
  return stretches;
}

interface Forward {
  readonly nodes: ReadonlySet<Node>;
  /** Those that depend on an input: the others are weights in another form. */
  readonly varying: ReadonlySet<Node>;
  /** Those whose results are used within their block alone. */
  readonly inner: ReadonlyMap<Node, Stretch>;
}

function forwardOf(loss: Tensor, order: readonly Node[], stretches: ReadonlyMap<Node, Stretch>): Forward {
  const varying = new Set<Node>();
  const inner = new Map<Node, Stretch>();
  for (const node of order) {
    if (node.kind === 'Input' || node.inputs.some((x) => x && varying.has(x.node))) varying.add(node);
    const stretch = stretches.get(node) as Stretch;
    for (const x of node.inputs) if (x && inner.get(x.node) !== stretch) inner.delete(x.node);
    if (stretch % 2 === 1 && node.kind !== 'Input' && varying.has(node)) inner.set(node, stretch);
  }
  inner.delete(loss.node);
  return { nodes: new Set(order), varying, inner };
}

/** The last tensor of each block that leaves it and that the gradients go through. */
function endsOf(order: readonly Node[], { inner }: Forward, by: readonly Tensor[]): Map<Stretch, Tensor> {
  const active = new Set<Tensor>(by);
  const ends = new Map<Stretch, Tensor>();
  for (const node of order) {
    if (!node.inputs.some((x) => x && active.has(x))) continue;
    for (const own of node.outputs) active.add(own);
    const [output] = node.outputs as [Tensor, ...Tensor[]];
    if (inner.has(node) || !isFloat(output.dtype)) continue;
    for (const x of node.inputs) {
      const stretch = x && inner.get(x.node);
      if (stretch) ends.set(stretch, output);
    }
  }
  return ends;
}

interface Recomputation {
  /** Lets what lies within a block be computed again once a tensor is known. */
  allow(stretch: Stretch, signal: Tensor): void;
  /** A tensor of the gradients, from what is computed again. */
  rewritten(slope: Tensor): Tensor;
}

function recomputation({ nodes, varying, inner }: Forward): Recomputation {
  const nothing = new Map<Stretch, Tensor>();
  const copies = new Map<Node, readonly Tensor[]>();
  const delayed = new Map<Stretch, Map<Tensor, Tensor>>();

  const isRepeated = (node: Node): boolean => nothing.has(inner.get(node) ?? 0);
  /** What goes into a block, not before the block's turn has come: otherwise the engine would compute it at once. */
  const late = (x: Tensor, stretch: Stretch): Tensor => {
    const known = delayed.get(stretch) ?? new Map<Tensor, Tensor>();
    delayed.set(stretch, known);
    const own = known.get(x) ?? add(x, cast(nothing.get(stretch) as Tensor, x.dtype));
    known.set(x, own);
    return own;
  };
  // What is computed once more anyway is then the same as what its block computes again.
  const copy = ({ kind, attributes: { again: _, ...own }, ...node }: Node, inputs: Node['inputs']) =>
    inputs.every((x, i) => x === node.inputs[i]) ? node.outputs : applyAll(kind as OpName, inputs, own);
  const isKept = (node: Node): boolean => nodes.has(node) && !isRepeated(node);
  const current = (x: Tensor): Tensor => (isKept(x.node) ? x : (copies.get(x.node)?.[x.index] as Tensor));
  const repeat = (node: Node): readonly Tensor[] => {
    const begins = !node.inputs.some((x) => x && isRepeated(x.node));
    const first = begins ? node.inputs.find((x) => x && isFloat(x.dtype) && varying.has(x.node)) : undefined;
    const operand = (x: Tensor): Tensor => (x === first ? late(x, inner.get(node) as Stretch) : current(x));
    return copy(
      node,
      node.inputs.map((x) => x && operand(x)),
    );
  };
  return {
    allow(stretch, signal) {
      // Zero, whatever the number is: it changes nothing but the order.
      const one = signal.shape.reduce<Tensor>((x, _, axis) => slice(x, axis, 0, 1), signal);
      nothing.set(stretch, minimum(abs(reshape(one, [])), 0));
    },
    rewritten(slope) {
      for (const node of topological([slope], (known) => copies.has(known) || isKept(known))) {
        const inputs = (): Node['inputs'] => node.inputs.map((x) => x && current(x));
        copies.set(node, nodes.has(node) ? repeat(node) : copy(node, inputs()));
      }
      return current(slope);
    },
  };
}
