/** Adapters: transformations of the scope, known to no part. */

import { add, mul } from '../graph/index.js';
import { fanIn, type Glob, matches, type Params, wrapScope, zeroed } from '../nn/index.js';

export interface Adapter {
  /** The scope in which the adapter takes part. */
  adapt(p: Params): Params;
  /** The parameters that the adapter adds, as patterns over their names. */
  readonly parameters: readonly Glob[];
}

export interface LoraOptions {
  readonly rank: number;
  /** The product of the two matrices counts alpha / rank times; default twice the rank. */
  readonly alpha?: number;
  /** Whether it counts alpha / sqrt(rank) times instead: Kalajdzievski, 2023, https://arxiv.org/abs/2312.03732 */
  readonly rankStabilised?: boolean;
  /** The linear layers that it is added to, as patterns over their paths. */
  readonly on: readonly Glob[];
}

export const loraScale = ({ rank, alpha = 2 * rank, rankStabilised = false }: LoraOptions): number =>
  alpha / (rankStabilised ? Math.sqrt(rank) : rank);

/**
 * Low-rank adaptation: y = W x + s B A x, where A [rank, in] starts as PyTorch's linear layers do and B [out, rank] at zero.
 * Several settings adapt different layers; of those that fit a layer the first is taken.
 *
 * Hu et al., 2021, https://arxiv.org/abs/2106.09685
 */
export function lora(...settings: readonly LoraOptions[]): Adapter {
  return {
    parameters: settings.flatMap(({ on }) => on.flatMap((glob) => loraNames(glob))),
    adapt: (p) =>
      wrapScope(p, (inner) => {
        const adapted =
          (product: Params['product']): Params['product'] =>
          (name, x, out, init) => {
            const y = product(name, x, out, init);
            const own = name === 'weight' ? settings.find(({ on }) => matches(inner.path, on)) : undefined;
            if (!own) return y;
            const low = inner.product('lora_A.weight', x, own.rank, fanIn);
            return add(y, mul(inner.product('lora_B.weight', low, out, zeroed), loraScale(own)));
          };
        return { product: adapted(inner.product), inOutProduct: adapted(inner.inOutProduct) };
      }),
  };
}

/** The two parameters that are added to a layer. */
export const loraNames = (path: string): [string, string] => [`${path}.lora_A.weight`, `${path}.lora_B.weight`];
