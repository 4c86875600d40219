/** Sinusoidal embedding of moments in time, as diffusion models take them. */

import { concat, cos, mul, pad, sin, type Tensor, unsqueeze, values } from '../graph/index.js';

export interface TimestepOptions {
  /** Cosines before sines; default false. */
  readonly cosinesFirst?: boolean;
  /** Taken from the number of frequencies where the longest wave is set; default 0. */
  readonly shift?: number;
  /** The longest wave's part of 2π; default 10000. */
  readonly period?: number;
}

/** Moments [B] -> [B, width]: Vaswani et al., 2017, section 3.5; Ho et al., 2020, appendix B. */
export function timestepEmbedding(
  times: Tensor,
  width: number,
  { cosinesFirst = false, shift = 0, period = 10000 }: TimestepOptions = {},
): Tensor {
  const half = Math.floor(width / 2);
  // Rounded after every step as the reference is: a late moment multiplies what is lost here.
  const frequencies = Array.from({ length: half }, (_, i) => {
    const exponent = Math.fround(Math.fround(Math.fround(-Math.log(period)) * i) / Math.fround(half - shift));
    return Math.fround(Math.exp(exponent));
  });
  const angles = mul(unsqueeze(times, 1), values('f32', [1, half], frequencies)); // [B, half]
  const both = concat(cosinesFirst ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)], 1);
  return width % 2 === 0 ? both : pad(both, 1, 0, 1);
}
