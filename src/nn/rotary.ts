/**
 * Rotary position embedding: the angles of positions.
 *
 * Su et al., "RoFormer", 2021, https://arxiv.org/abs/2104.09864. B batch, T tokens, K head width, R turned numbers of a head
 */
import { add, cast, cos, max, mul, rotaryEmbedding, sin, type Tensor, unsqueeze, values } from '../graph/index.js';
import { QuintetError } from '../tensor/index.js';
import type { RotaryScaling } from './rotary-scaling.js';

/** How a model turns positions into angles. */
export interface RotaryConfig {
  readonly theta: number;
  /** The share of each head's numbers that is turned, from the first on; default all. */
  readonly share?: number;
  readonly scaling?: RotaryScaling;
}

/** Cosines and sines of every position: [B, T, R/2]. */
export interface Angles {
  readonly cosines: Tensor;
  readonly sines: Tensor;
}

/** Where tokens stand, i64 [B, T], and how many the longest row has, i64; default one more than the largest position. */
export interface Places {
  readonly positions: Tensor;
  readonly length?: Tensor;
}

/** Places of tokens -> angles for heads of the given width. */
export function rotaryAngles(
  { positions, length = add(max(positions), 1) }: Places,
  width: number,
  { theta, share = 1, scaling }: RotaryConfig,
): Angles {
  // Rounded down, as the reference does, but for what a share loses in binary.
  const turned = Math.trunc(width * share + 1e-6);
  if (!(Number.isSafeInteger(width) && turned > 0 && turned % 2 === 0)) {
    throw new QuintetError('config', `${turned} numbers of heads of width ${width} cannot be turned in pairs`);
  }
  const plain = Array.from({ length: turned / 2 }, (_, i) => theta ** ((-2 * i) / turned));
  const { frequencies = values('f32', [turned / 2], plain), gain = 1 } =
    scaling?.scale({ plain, theta, length: cast(length, 'f32') }) ?? {};
  const angles = mul(cast(unsqueeze(positions, 2), 'f32'), frequencies);
  const amplified = (x: Tensor): Tensor => (gain === 1 ? x : mul(x, gain));
  return { cosines: amplified(cos(angles)), sines: amplified(sin(angles)) };
}

/** x [B, T, H*K] with its heads turned by their position. */
export function rotate(x: Tensor, { cosines, sines }: Angles, heads: number): Tensor {
  return rotaryEmbedding(x, cosines, sines, heads);
}
