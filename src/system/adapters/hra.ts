/**
 * Householder reflection adaptation: y = W H1 … Hr x, reflections H = I - 2 u u' / ‖u‖² by the columns of U [in, rank]. They
 * begin in pairs of equals, which undo each other.
 *
 * Yuan et al., "Bridging The Gap between Low-rank and Orthogonal Adaptation via Householder Reflection Adaptation", 2024,
 * https://arxiv.org/abs/2405.17484
 */
import { div, matmul, mul, slice, sqrt, sub, sum, type Tensor, transpose } from '../../graph/index.js';
import { fanIn, type Init } from '../../nn/index.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';

export interface HraOptions extends Placed {
  /** How many reflections; even, so that they begin in pairs. */
  readonly rank: number;
}

const names = ['hra_u'];

/** Reflects what linear layers are given. */
export function hra(...settings: readonly HraOptions[]): Adapter {
  return {
    merges: true,
    parameters: namesIn(settings, names),
    adapt: (p) =>
      changeProducts(p, { settings, names }, ({ p: at, x, product }, { rank }) => {
        const all = at.get('hra_u', [x.size(-1), rank], inPairs);
        const units = div(all, sqrt(sum(mul(all, all), [0], { keep: true })));
        const columns = Array.from({ length: rank }, (_, i) => slice(units, 1, i, i + 1));
        return product(columns.reduceRight(reflected, x));
      }),
  };
}

/** x [..., in] reflected by a unit vector u [in, 1]. */
const reflected = (x: Tensor, u: Tensor): Tensor => sub(x, mul(matmul(matmul(x, u), transpose(u)), 2));

const inPairs: Init = ([width, rank], random) => {
  const [rows, columns] = [width as number, rank as number];
  const half = fanIn([rows, Math.ceil(columns / 2)], random);
  const pairs = half.length / rows;
  return new Float32Array(rows * columns).map(
    (_, i) => half[Math.floor(i / columns) * pairs + Math.floor((i % columns) / 2)] as number,
  );
};
