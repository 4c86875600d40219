/** Reverse-mode differentiation as a walk from a scalar back to the tensors it is differentiated by. */

import { formatShape, isFloat, QuintetError, sameShape } from '../tensor/index.js';
import { add, full, unbroadcast } from './functions.js';
import { type OpName, ops } from './ops/index.js';
import { apply, type Node, type Tensor, topological } from './tensor.js';

/**
 * The gradient of `loss` by each tensor of `by`, as graph tensors of the same shapes; null where the loss does not depend
 * on it. Rules are blind to broadcasting: what they give is summed back to the operand's shape here.
 */
export function gradients(loss: Tensor, by: readonly Tensor[]): (Tensor | null)[] {
  if (loss.rank !== 0 || !isFloat(loss.dtype)) {
    throw new QuintetError('shape', 'only a scalar of a floating-point type can be differentiated');
  }
  const order = topological([loss]);
  const targets = new Set(by);
  // Whether a tensor depends on one of the targets: everything else needs no gradient.
  const active = new Set<Tensor>(by);
  for (const node of order) {
    if (node.inputs.some((x) => x && active.has(x))) for (const output of node.outputs) active.add(output);
  }
  const sums = new Map<Tensor, Tensor>([[loss, full(loss.dtype, [], 1)]]);
  for (const node of order.reverse()) {
    const [output, ...others] = node.outputs as [Tensor, ...Tensor[]];
    if (others.some((other) => sums.has(other))) {
      throw new QuintetError('unsupported', `only the first output of ${node.kind} can be differentiated`);
    }
    const gradient = sums.get(output);
    if (!gradient || node.inputs.length === 0) continue;
    for (const [x, g] of backward(node, gradient, active)) {
      const before = sums.get(x);
      sums.set(x, before ? add(before, g) : g);
    }
    if (!targets.has(output)) sums.delete(output);
  }
  return by.map((x) => (active.has(x) ? (sums.get(x) ?? null) : null));
}

/** The contribution of one node to the gradients of its operands. */
function backward(node: Node, gradient: Tensor, active: ReadonlySet<Tensor>): [Tensor, Tensor][] {
  const wants = (i: number): boolean => {
    const x = node.inputs[i];
    return !!x && active.has(x) && isFloat(x.dtype);
  };
  if (!node.inputs.some((_, i) => wants(i))) return [];
  const { gradient: rule } = ops[node.kind as keyof typeof ops];
  if (rule === 'zero') return [];
  if (rule === 'none') {
    throw new QuintetError('unsupported', `${node.kind} has no gradient: it is for inference only`);
  }
  const inputs = node.inputs.map((x) => x && again(x)) as readonly Tensor[];
  const outputs = node.outputs.map(again);
  const parts = rule({ inputs, outputs, attributes: node.attributes, gradient, wants });
  return parts.flatMap((part, i): [Tensor, Tensor][] => {
    if (!part || !wants(i)) return [];
    const x = node.inputs[i] as Tensor;
    const g = unbroadcast(part, x.shape);
    if (!sameShape(g.shape, x.shape)) {
      throw new QuintetError(
        'shape',
        `the gradient rule of ${node.kind} gave ${formatShape(g.shape)} for operand ${i} of ${formatShape(x.shape)}`,
      );
    }
    return [[x, g]];
  });
}

const repeated = new WeakMap<Node, Tensor>();

/** A tensor for a gradient rule: where that costs little, computed once more when it is needed instead of kept until then. */
function again(x: Tensor): Tensor {
  const { kind, inputs, outputs, attributes } = x.node;
  const { light, view } = ops[kind as OpName] ?? {};
  if (view) {
    const [own, ...others] = inputs as [Tensor, ...Tensor[]];
    return again(own) === own ? x : apply(kind as OpName, [again(own), ...others], attributes);
  }
  if (!light || x.index > 0) return x;
  // The attribute tells the two apart, which would be made one otherwise. Nothing of it is written.
  const once = (): Tensor => apply(kind as OpName, inputs, { ...attributes, again: 1 });
  const known = repeated.get(x.node) ?? (light === true ? once() : light(inputs, outputs));
  repeated.set(x.node, known);
  return known;
}
