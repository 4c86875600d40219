/** The names that diffusers has for the arguments and results of its networks, where those of ours are others. */

import type { HostArrays } from '../system/index.js';

export interface ReferenceNames {
  /** Theirs to ours. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Ours to theirs; of two that have one name the later one counts. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Our inputs, in groups that have nothing to do with each other: each is a pass of its own. */
  readonly passes: readonly (readonly string[])[];
}

/** By the name of the recipe. */
export const referenceNames: Readonly<Record<string, ReferenceNames>> = {
  'stable-diffusion': {
    inputs: { 'text.input_ids': 'input_ids', sample: 'noisy', image: 'pixel_values' },
    outputs: {
      text_states: 'text.last_hidden_state',
      text_pooled: 'text.pooler_output',
      predicted: 'unet.sample',
      mean: 'vae.mean',
      log_variance: 'vae.logvar',
      sampled: 'vae.sampled',
      reconstructed: 'vae.decoded',
      decoded: 'vae.decoded',
    },
    passes: [
      ['input_ids'],
      ['noisy', 'timestep', 'encoder_hidden_states'],
      ['pixel_values', 'posterior_noise', 'latents'],
    ],
  },
  'picture-autoencoder': {
    inputs: { image: 'pixel_values', noise: 'posterior_noise', latent: 'latents' },
    outputs: { decoded: 'vae.decoded', divergence: 'autoencoder.kl' },
    passes: [['pixel_values', 'posterior_noise', 'latents']],
  },
  vqgan: {
    inputs: { image: 'pixel_values' },
    outputs: { codes: 'indices', reconstructed: 'decoded' },
    passes: [['pixel_values', 'given_codes']],
  },
};

/** Arrays under other names; those that the table does not have keep theirs. */
export function renamed(arrays: HostArrays, names: Readonly<Record<string, string>>): HostArrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [names[name] ?? name, array]));
}
