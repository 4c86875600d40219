/**
 * What a network learns that takes noise out of latents.
 *
 * B latents of any further axes
 */
import { add, div, mean, minimum, mul, neg, pow, reshape, sub, type Tensor } from '../../graph/index.js';
import type { Prediction } from '../../parts/generators/types.js';

/** The mean squared error of each latent: [B, ...] twice -> [B] */
export function errorOfEach(predicted: Tensor, wanted: Tensor): Tensor {
  const far = sub(predicted, wanted);
  return mean(mul(far, far), predicted.shape.map((_, axis) => axis).slice(1));
}

/** Numbers [B] beside latents [B, ...]. */
const beside = (numbers: Tensor, like: Tensor): Tensor =>
  reshape(
    numbers,
    like.shape.map((dim, i) => (i === 0 ? dim : 1)),
  );

/**
 * Weights [B] by the ratio of signal to noise, a / (1 - a) of the kept variance a [B], so that easy moments do not outweigh
 * others: Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", 2023, section 3.4, whose γ bounds it,
 * https://arxiv.org/abs/2303.09556
 */
export function snrWeights(kept: Tensor, predicts: Prediction, gamma: number): Tensor {
  const ratio = div(kept, sub(1, kept));
  const bounded = minimum(ratio, gamma);
  if (predicts === 'sample') return bounded;
  return div(bounded, predicts === 'epsilon' ? ratio : add(ratio, 1));
}

/** Latents on the straight way to noise, at moments [B] from 0 to 1: Lipman et al., "Flow Matching", 2022; Liu et al., 2022. */
export function flowed(latents: Tensor, noise: Tensor, moments: Tensor): Tensor {
  const part = beside(moments, latents);
  return add(mul(latents, sub(1, part)), mul(noise, part));
}

/** Weights of moments [B]: Esser et al., "Scaling Rectified Flow Transformers", 2024, section 3. */
export const flowWeights = {
  'sigma-sqrt': (moments) => pow(moments, -2),
  cosmap: (moments) => div(2 / Math.PI, add(sub(1, mul(moments, 2)), mul(mul(moments, moments), 2))),
} as const satisfies Readonly<Record<string, (moments: Tensor) => Tensor>>;

export type FlowWeightName = keyof typeof flowWeights;

/** The error of each predicted velocity of `flowed` latents, which is that from latent to noise: [B] */
export function flowErrors(
  predicted: Tensor,
  { latents, noise, moments }: { readonly latents: Tensor; readonly noise: Tensor; readonly moments: Tensor },
  weights?: FlowWeightName,
): Tensor {
  const errors = errorOfEach(predicted, add(noise, neg(latents)));
  return weights ? mul(errors, flowWeights[weights](moments)) : errors;
}
