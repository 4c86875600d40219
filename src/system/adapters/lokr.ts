/**
 * Low-rank Kronecker products: y = W x + s (W1 ⊗ W2) x, where W1 [L, K] is small and W2 [M, N], with L M = out and K N = in,
 * is a product of two of the given rank, or whole where that is no larger.
 *
 * Edalati et al., "KronA", 2022, https://arxiv.org/abs/2212.10650; Yeh et al., "LyCORIS", 2023,
 * https://arxiv.org/abs/2309.14859
 */
import { add, flatten, matmul, mul, reshape, type Tensor, transpose } from '../../graph/index.js';
import { fanIn, type Init, type Params, zeroed } from '../../nn/index.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';

export interface LokrOptions extends Placed {
  readonly rank: number;
  /** What is added counts alpha / rank times; default twice the rank. */
  readonly alpha?: number;
  /** Sizes of W1 where they divide the layer's; default those nearest to the roots. */
  readonly factor?: number;
  /** Whether W1 may be a product of two as well; default false. */
  readonly both?: boolean;
}

const names = ['lokr_w1', 'lokr_w2'].flatMap((name) => [name, `${name}_a`, `${name}_b`]);

/** Adapts linear layers. */
export function lokr(...settings: readonly LokrOptions[]): Adapter {
  return {
    merges: true,
    parameters: namesIn(settings, names),
    adapt: (p) =>
      changeProducts(p, { settings, names }, ({ p: at, x, out, product }, own) => {
        const { rank, alpha = 2 * rank, factor, both = false } = own;
        const [k, n] = factors(x.size(-1), factor);
        const [l, m] = factors(out, factor);
        const smallRank = both && rank < Math.max(l, k) / 2 ? rank : undefined;
        const largeRank = rank < Math.max(m, n) / 2 ? rank : undefined;
        const small = matrix(at, 'lokr_w1', { size: [l, k], rank: smallRank, init: zeroed });
        const large = matrix(at, 'lokr_w2', { size: [m, n], rank: largeRank, init: fanIn });
        const blocks = reshape(x, [...x.shape.slice(0, -1), k, n]);
        const mixed = matmul(small, matmul(blocks, transpose(large))); // [..., L, M]
        return add(product(x), mul(flatten(mixed, -2, -1), alpha / rank));
      }),
  };
}

interface Matrix {
  readonly size: readonly [rows: number, width: number];
  /** Of the two matrices that it is the product of; undefined where it is whole. */
  readonly rank: number | undefined;
  /** Of the whole or of the first one. */
  readonly init: Init;
}

function matrix(p: Params, name: string, { size: [rows, width], rank, init }: Matrix): Tensor {
  if (rank === undefined) return p.get(name, [rows, width], init);
  return matmul(p.get(`${name}_a`, [rows, rank], init), p.get(`${name}_b`, [rank, width], fanIn));
}

/** A size as a product of two: of the factor, where it divides the size, or else of the largest divisor up to it and the root. */
function factors(size: number, factor = size): [number, number] {
  if (factor < size && size % factor === 0) return [factor, size / factor];
  let first = Math.min(factor, Math.floor(Math.sqrt(size)));
  while (size % first !== 0) first--;
  return [first, size / first];
}
