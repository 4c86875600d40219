/**
 * Stable Diffusion: CLIP's text transformer, a UNet that looks at its states, and an autoencoder of pictures.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022, https://arxiv.org/abs/2112.10752
 */
import { clipTextTower, readClipText } from '../parts/encoders/clip-text.js';
import { diffusion, readDiffusion } from '../parts/generators/schedulers/index.js';
import { readUnet, unet } from '../parts/generators/unet.js';
import { readVae, vae } from '../parts/generators/vae.js';
import { latentDiffusion, recipe, slot } from '../system/index.js';
import { autoencoderSizes as coders } from './vqgan.js';

const ddim = diffusion({
  _class_name: 'DDIMScheduler',
  ...{ beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear', steps_offset: 1 },
  ...{ clip_sample: false, set_alpha_to_one: false },
});
const levels = (widths: readonly number[], heads: (width: number) => number) =>
  widths.map((width, i) => ({ width, layers: 2, attention: i < widths.length - 1, heads: heads(width) }));
const widths = [320, 640, 1280, 1280];
const latents = { size: 64, inputs: 4, outputs: 4 };
const words = { vocab: 49408, context: 77 };

export const stableDiffusion = recipe({
  name: 'stable-diffusion',
  modelTypes: ['StableDiffusionPipeline'],
  published: ['stable-diffusion-v1-5/stable-diffusion-v1-5'],
  sizes: {
    '1.5': {
      ...{ coder: coders['f8-4'], scheduler: ddim },
      text: { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 },
      unet: { ...latents, condition: 768, levels: levels(widths, () => 8) },
    },
    '2.1-base': {
      ...{ coder: coders['f8-4'], scheduler: ddim },
      text: { ...words, width: 1024, depth: 23, heads: 16, hidden: 4096, activation: 'gelu' },
      unet: { ...latents, condition: 1024, linear: true, levels: levels(widths, (width) => width / 64) },
    },
    tiny: {
      ...{ coder: coders.tiny, scheduler: ddim },
      text: { vocab: 256, context: 16, width: 16, depth: 2, heads: 2, hidden: 32 },
      unet: { ...latents, size: 8, condition: 16, groups: 4, levels: levels([16, 32], () => 2) },
    },
  },
  read: (config) => ({
    text: readClipText(config.part('text_encoder', 'clip_text_model')),
    unet: readUnet(config.part('unet', 'UNet2DConditionModel')),
    coder: readVae(config.part('vae', 'AutoencoderKL')),
    scheduler: readDiffusion(config.object('scheduler')),
  }),
  build: ({ text, unet: sizes, coder, scheduler }, name) =>
    latentDiffusion({
      ...{ name, paper: 'arXiv:2112.10752', ...scheduler },
      text: slot(clipTextTower(text), { prefix: 'text_encoder.text_model' }),
      denoiser: slot(unet(sizes), { prefix: 'unet' }),
      autoencoder: slot(vae(coder), { prefix: 'vae' }),
      // What looks for indecent pictures takes no part in making them.
      buffers: ['safety_checker.**'],
    }),
});
