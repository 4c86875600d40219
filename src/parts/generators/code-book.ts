/**
 * Latents as codes of a learned book.
 *
 * Van den Oord et al., "Neural Discrete Representation Learning", 2017, https://arxiv.org/abs/1711.00937
 *
 * B batch, K codes in the book, D their width, P places of the grid, h by w
 */
import {
  add,
  argMax,
  detach,
  flatten,
  gather,
  matmul,
  mean,
  mul,
  reshape,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../graph/index.js';
import type { Init } from '../../nn/index.js';
import { type Dim, sizeOf } from '../../tensor/index.js';
import type { Quantised } from './types.js';

/** How strongly latents are held to their codes, and codes to the latents. */
export interface Commitment {
  readonly latents: number;
  readonly codes: number;
}

/** As van den Oord et al. have it, equation 3. */
export const committed: Commitment = { latents: 0.25, codes: 1 };
/** As all published code of VQGAN has it: the other way round. */
const published: Commitment = { latents: 1, codes: 0.25 };

/** How a book starts in the reference: evenly spread. */
export const spread: Init = (shape, random) => {
  const bound = 1 / (shape[0] as number);
  return new Float32Array(sizeOf(shape)).map(() => bound * (2 * random.uniform() - 1));
};

/** Latents [B, D, h, w] to the nearest codes of the book [K, D]. */
export function nearestIn(book: Tensor, latents: Tensor, weights: Commitment = published): Quantised {
  const codes = nearestCodes(transpose(flatten(latents, 2, 3), [0, 2, 1]), book); // [B, P]
  const found = asGrid(gather(book, codes), [latents.dim(2), latents.dim(3)]);
  const [toBook, toLatents] = [sub(detach(found), latents), sub(found, detach(latents))];
  const loss = add(
    mul(mean(mul(toBook, toBook)), weights.latents),
    mul(mean(mul(toLatents, toLatents)), weights.codes),
  );
  return { codes, latents: add(latents, detach(sub(found, latents))), loss };
}

/** Rows [B, P, D] -> [B, D, h, w] */
export function asGrid(rows: Tensor, [height, width]: readonly [Dim, Dim]): Tensor {
  return reshape(transpose(rows, [0, 2, 1]), [rows.dim(0), rows.size(2), height, width]);
}

/** rows [B, P, D], book [K, D] -> [B, P] */
function nearestCodes(rows: Tensor, book: Tensor): Tensor {
  // Of |z|² - 2 z·e + |e|² the first term is the same for all entries.
  const nearness = sub(mul(matmul(rows, transpose(book)), 2), sum(mul(book, book), [1]));
  return argMax(nearness, -1);
}
