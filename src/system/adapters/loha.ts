/**
 * Low-rank Hadamard products: y = W x + s (W1a W1b · W2a W2b) x, elementwise, whose rank is up to rank².
 *
 * Hyeon-Woo et al., "FedPara", 2021, https://arxiv.org/abs/2108.06098; Yeh et al., "LyCORIS", 2023,
 * https://arxiv.org/abs/2309.14859
 */
import { add, matmul, mul, transpose } from '../../graph/index.js';
import { fanIn, zeroed } from '../../nn/index.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';

export interface LohaOptions extends Placed {
  readonly rank: number;
  /** What is added counts alpha / rank times; default twice the rank. */
  readonly alpha?: number;
}

const names = ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b'] as const;

/** Adapts linear layers. */
export function loha(...settings: readonly LohaOptions[]): Adapter {
  return {
    merges: true,
    parameters: namesIn(settings, names),
    adapt: (p) =>
      changeProducts(p, { settings, names }, ({ p: at, x, out, product }, { rank, alpha = 2 * rank }) => {
        const width = x.size(-1);
        const first = matmul(at.get(names[0], [out, rank], fanIn), at.get(names[1], [rank, width], fanIn));
        const second = matmul(at.get(names[2], [out, rank], fanIn), at.get(names[3], [rank, width], zeroed));
        return add(product(x), mul(matmul(x, transpose(mul(first, second))), alpha / rank));
      }),
  };
}
