/**
 * Rotary position embedding: the angles of positions, and the scalings that stretch them to long contexts.
 *
 * Su et al., "RoFormer", 2021, https://arxiv.org/abs/2104.09864. B batch, T tokens, K head width
 */
import { cast, cos, mul, rotaryEmbedding, sin, type Tensor, unsqueeze, values } from '../graph/index.js';
import { type Fields, QuintetError } from '../tensor/index.js';

/** How a model turns positions into angles. */
export interface RotaryConfig {
  readonly theta: number;
  readonly scaling?: RotaryScaling;
}

/** A function from the inverse wavelengths of a head to those of the stretched context. */
export type RotaryScaling = (frequencies: readonly number[]) => readonly number[];

/** Cosines and sines of every position: [B, T, K/2]. */
export interface Angles {
  readonly cosines: Tensor;
  readonly sines: Tensor;
}

/** positions [B, T] of i64 -> angles for heads of the given width. */
export function rotaryAngles(positions: Tensor, width: number, { theta, scaling }: RotaryConfig): Angles {
  if (!(Number.isSafeInteger(width) && width > 0 && width % 2 === 0)) {
    throw new QuintetError('config', `heads of width ${width} cannot be turned in pairs`);
  }
  const plain = Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  const frequencies = scaling ? scaling(plain) : plain;
  const angles = mul(cast(unsqueeze(positions, 2), 'f32'), values('f32', [width / 2], frequencies));
  return { cosines: cos(angles), sines: sin(angles) };
}

/** x [B, T, H*K] with its heads turned by their position. */
export function rotate(x: Tensor, { cosines, sines }: Angles, heads: number): Tensor {
  return rotaryEmbedding(x, cosines, sines, heads);
}

/** Positions divided by a factor. Chen et al., 2023, https://arxiv.org/abs/2306.15595 */
export function linearScaling(factor: number): RotaryScaling {
  return (frequencies) => frequencies.map((frequency) => frequency / factor);
}

interface Llama3Scaling {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** The context that the model was first trained on, in tokens. */
  readonly original: number;
}

/** Long waves are stretched, short ones kept, those between blended: Llama 3.1, https://arxiv.org/abs/2407.21783 */
export function llama3Scaling({ factor, low, high, original }: Llama3Scaling): RotaryScaling {
  return (frequencies) =>
    frequencies.map((frequency) => {
      const turns = (original * frequency) / (2 * Math.PI);
      if (turns < low) return frequency / factor;
      if (turns > high) return frequency;
      const kept = (turns - low) / (high - low);
      return ((1 - kept) * frequency) / factor + kept * frequency;
    });
}

/** Reads `rope_theta` and `rope_scaling`, or `rope_parameters` as newer files have it. */
export function readRotary(config: Fields, theta = 10000): RotaryConfig {
  const parameters = config.object(config.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling', {
    optional: true,
  });
  const base = { theta: parameters.number('rope_theta', config.number('rope_theta', theta)) };
  const kind = parameters.has('rope_type') ? 'rope_type' : 'type';
  switch (parameters.choice(kind, ['default', 'linear', 'llama3'] as const, 'default')) {
    case 'default':
      return base;
    case 'linear':
      return { ...base, scaling: linearScaling(parameters.number('factor')) };
    case 'llama3':
      return {
        ...base,
        scaling: llama3Scaling({
          factor: parameters.number('factor'),
          low: parameters.number('low_freq_factor'),
          high: parameters.number('high_freq_factor'),
          original: parameters.whole('original_max_position_embeddings'),
        }),
      };
  }
}
