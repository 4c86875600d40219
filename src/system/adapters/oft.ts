/**
 * Orthogonal fine-tuning: y = W R x, where R is of orthogonal blocks along its diagonal, each the Cayley transform
 * (I - Q) (I + Q)⁻¹ of a skew matrix Q. What learns is Q above its diagonal.
 *
 * Qiu et al., "Controlling Text-to-Image Diffusion by Orthogonal Finetuning", 2023, https://arxiv.org/abs/2306.07280. The
 * series in place of the inverse: Qiu et al., "Orthogonal Finetuning Made Scalable", 2025, https://arxiv.org/abs/2506.19847
 *
 * N blocks, B values in each
 */
import {
  abs,
  add,
  detach,
  div,
  expand,
  gather,
  matmul,
  max,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  transpose,
  values,
} from '../../graph/index.js';
import { type Params, zeroed } from '../../nn/index.js';
import { productOf, QuintetError } from '../../tensor/index.js';
import { identity } from './adalora.js';
import { type Adapter, changeProducts, namesIn, type Placed } from './adapter.js';

export interface OftOptions extends Placed {
  /** Values in a block; divides the widths of the layers. */
  readonly block: number;
  /** Whether all blocks of a layer are one; default false. */
  readonly sharesBlock?: boolean;
  /** Terms of Neumann's series that stands for the inverse; default the inverse itself. */
  readonly terms?: number;
}

const names = ['oft_R.weight'];

/** Turns what linear layers are given. */
export function oft(...settings: readonly OftOptions[]): Adapter {
  return {
    merges: true,
    parameters: namesIn(settings, names),
    adapt: (p) =>
      changeProducts(p, { settings, names }, ({ p: at, x, product }, own) => {
        const { block } = own;
        const count = blocksIn(at, x.size(-1), block);
        const rows = reshape(x, [productOf(x.shape.slice(0, -1)), count, block]);
        const turned = matmul(transpose(rows, [1, 0, 2]), rotations(at, count, own)); // [N, rows, B]
        return product(reshape(transpose(turned, [1, 0, 2]), x.shape));
      }),
  };
}

function blocksIn({ path }: Params, width: number, block: number): number {
  if (width % block === 0) return width / block;
  throw new QuintetError('config', `a width of ${width} does not divide into blocks of ${block}`, { at: path });
}

/** [N, B, B] */
function rotations(p: Params, count: number, { block, sharesBlock = false, terms }: OftOptions): Tensor {
  const own = sharesBlock ? 1 : count;
  const upper = p.get('oft_R.weight', [own, (block * (block - 1)) / 2], zeroed);
  const skew = skewOf(upper, own, block);
  const turned = terms === undefined ? cayley(skew, block) : cayleySeries(skew, block, terms);
  return sharesBlock ? expand(turned, [count, block, block]) : turned;
}

/** What stands above the diagonal [N, B (B - 1) / 2], with its negative below: [N, B, B] */
function skewOf(upper: Tensor, count: number, block: number): Tensor {
  const places: number[] = [];
  const signs: number[] = [];
  for (let row = 0; row < block; row++) {
    for (let column = 0; column < block; column++) {
      const [low, high] = row < column ? [row, column] : [column, row];
      // Rows above hold block - 1, block - 2, … values each.
      places.push(low === high ? 0 : low * block - (low * (low + 1)) / 2 + (high - low - 1));
      signs.push(Math.sign(column - row));
    }
  }
  const all = mul(gather(upper, values('i64', [block * block], places), 1), values('f32', [block * block], signs));
  return reshape(all, [count, block, block]);
}

/** (I - Q) (I + Q)⁻¹ */
function cayley(skew: Tensor, block: number): Tensor {
  const unit = identity(block);
  return matmul(sub(unit, skew), inverse(add(unit, skew)));
}

/** I + 2 Q + 2 Q² + … + Qⁿ: the transform of -Q, as files of PEFT have it, whose `terms` count so. */
function cayleySeries(skew: Tensor, block: number, terms: number): Tensor {
  if (terms < 3) return add(identity(block), mul(skew, terms < 2 ? 0 : 2));
  const last = Math.max(terms - 1, 3);
  let result = add(identity(block), mul(skew, 2));
  let power = skew;
  for (let exponent = 2; exponent <= last; exponent++) {
    power = matmul(power, skew);
    result = add(result, exponent < last ? mul(power, 2) : power);
  }
  return result;
}

/** Enough for matrices whose greatest and least singular values differ by a factor of thirty. */
const newtonSteps = 16;

/**
 * The inverse of matrices [N, B, B] by Newton's iteration X ← X (2 I - M X) (Schulz, 1933). The last step alone carries the
 * gradient: it changes nothing any more, and its derivative is that of the inverse.
 */
function inverse(matrices: Tensor): Tensor {
  const fixed = detach(matrices);
  const size = abs(fixed);
  const bound = mul(largest(sum(size, [-1])), largest(sum(size, [-2])));
  let result = div(transpose(fixed), bound);
  const step = (x: Tensor, matrix: Tensor): Tensor => sub(mul(x, 2), matmul(x, matmul(matrix, x)));
  for (let i = 0; i < newtonSteps; i++) result = step(result, fixed);
  return step(detach(result), matrices);
}

/** [N, B] -> [N, 1, 1] */
const largest = (sums: Tensor): Tensor => reshape(max(sums, [-1]), [sums.dim(0), 1, 1]);
