/** Pairs of nodes that the engine computes in one operator. */

import type { Node, Tensor } from '../graph/index.js';
import { sameShape } from '../tensor/index.js';

/** The norms that ONNX Runtime computes together with the sum before them, and what it calls the two. */
const joint: Readonly<Record<string, string>> = {
  LayerNormalization: 'SkipLayerNormalization',
  SimplifiedLayerNormalization: 'SkipSimplifiedLayerNormalization',
};

export const jointOp = (norm: Node): string => joint[norm.kind] as string;

/**
 * Norms of sums, by the sum: the residual stream of a transformer is added to and normalised once a layer or twice. Both
 * results are needed; statistics of the norm, which gradients use, must not be.
 */
export function normsOfSums(nodes: readonly Node[], needed: ReadonlySet<Tensor>): ReadonlyMap<Node, Node> {
  const pairs = new Map<Node, Node>();
  for (const norm of nodes) {
    const [sum, ...parameters] = norm.inputs;
    const statistics = norm.outputs.slice(1).some((output) => needed.has(output));
    if (!sum || !Object.hasOwn(joint, norm.kind) || statistics) continue;
    const { node } = sum;
    const [a, b] = node.inputs;
    const fits = node.kind === 'Add' && a && b && a.dtype === 'f32' && a.rank === 3 && sameShape(a.shape, b.shape);
    // The two are computed where the sum is: what the norm needs besides must be there already.
    const ready = parameters.every((x) => !x || x.node.name !== undefined || x.node.value !== undefined);
    if (fits && ready && !pairs.has(node)) pairs.set(node, norm);
  }
  return pairs;
}
