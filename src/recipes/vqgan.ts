/**
 * Autoencoders of pictures: VQGAN, whose latents are codes, and Stable Diffusion's, whose latents are numbers.
 *
 * Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021, https://arxiv.org/abs/2012.09841;
 * Rombach et al., 2022, https://arxiv.org/abs/2112.10752
 */
import { readVae, vae } from '../parts/generators/vae.js';
import { readVq, vq } from '../parts/generators/vq.js';
import { autoencoding, quantising, recipe, slot } from '../system/index.js';

const levels = (...widths: readonly number[]) => widths.map((width) => ({ width }));
const tiny = { image: 16, layers: 1, groups: 4, levels: levels(8, 16) };

export const vqgan = recipe({
  name: 'vqgan',
  modelTypes: ['VQModel'],
  sizes: {
    // The first stage of latent diffusion on faces, CelebA-HQ 256.
    'f4-8192': { image: 256, channels: 3, codes: 8192, layers: 2, levels: levels(128, 256, 512) },
    tiny: { ...tiny, channels: 4, codes: 24 },
  },
  read: readVq,
  build: (config, name) => quantising({ name, paper: 'arXiv:2012.09841', coder: slot(vq(config), { prefix: '' }) }),
});

/** Of Stable Diffusion too. */
export const autoencoderSizes = {
  'f8-4': { image: 512, channels: 4, layers: 2, levels: levels(128, 256, 512, 512) },
  tiny: { ...tiny, channels: 4 },
};

export const pictureAutoencoder = recipe({
  name: 'picture-autoencoder',
  modelTypes: ['AutoencoderKL'],
  sizes: autoencoderSizes,
  read: readVae,
  build: (config, name) => autoencoding({ name, paper: 'arXiv:2112.10752', coder: slot(vae(config), { prefix: '' }) }),
});
