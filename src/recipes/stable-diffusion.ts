/**
 * Stable Diffusion: CLIP's text transformer, a UNet that looks at its states, and an autoencoder of pictures.
 *
 * Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022, https://arxiv.org/abs/2112.10752
 */
import { clipTextTower, readClipText } from '../parts/encoders/clip-text.js';
import { readNoise, readSampling } from '../parts/generators/schedulers/index.js';
import { readUnet, unet } from '../parts/generators/unet.js';
import { readVae, vae } from '../parts/generators/vae.js';
import { latentDiffusion, recipe, slot } from '../system/index.js';
import { fields } from '../tensor/index.js';

const scheduler = fields(
  {
    _class_name: 'DDIMScheduler',
    ...{ beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear', steps_offset: 1 },
    ...{ clip_sample: false, set_alpha_to_one: false },
  },
  'stable-diffusion',
);
const levels = (widths: readonly number[], heads: (width: number) => number) =>
  widths.map((width, i) => ({ width, layers: 2, attention: i < widths.length - 1, heads: heads(width) }));
const unetSizes = { size: 64, inputs: 4, outputs: 4 };
const coder = {
  ...{ image: 512, channels: 4, layers: 2 },
  levels: [128, 256, 512, 512].map((width) => ({ width })),
};
const words = { vocab: 49408, context: 77 };

export const stableDiffusion = recipe({
  name: 'stable-diffusion',
  modelTypes: ['StableDiffusionPipeline'],
  sizes: {
    '1.5': {
      text: { ...words, width: 768, depth: 12, heads: 12, hidden: 3072 },
      unet: { ...unetSizes, condition: 768, levels: levels([320, 640, 1280, 1280], () => 8) },
      ...{ coder, scheduler },
    },
    '2.1': {
      text: { ...words, width: 1024, depth: 23, heads: 16, hidden: 4096, activation: 'gelu' },
      unet: {
        ...{ ...unetSizes, condition: 1024, linear: true },
        levels: levels([320, 640, 1280, 1280], (width) => width / 64),
      },
      ...{ coder, scheduler },
    },
    tiny: {
      text: { vocab: 256, context: 16, width: 16, depth: 2, heads: 2, hidden: 32 },
      unet: { ...unetSizes, size: 8, condition: 16, groups: 4, levels: levels([16, 32], () => 2) },
      coder: { ...coder, image: 16, layers: 1, groups: 4, levels: [{ width: 8 }, { width: 16 }] },
      scheduler,
    },
  },
  read: (config) => ({
    text: readClipText(config.object('text_encoder')),
    unet: readUnet(config.object('unet')),
    coder: readVae(config.object('vae')),
    scheduler: config.object('scheduler'),
  }),
  build: (config, name) =>
    latentDiffusion({
      ...{ name, paper: 'arXiv:2112.10752' },
      text: slot(clipTextTower(config.text), { prefix: 'text_encoder.text_model' }),
      denoiser: slot(unet(config.unet), { prefix: 'unet' }),
      autoencoder: slot(vae(config.coder), { prefix: 'vae' }),
      ...{ noise: readNoise(config.scheduler), sampling: readSampling(config.scheduler) },
      // What looks for indecent pictures takes no part in making them.
      buffers: ['safety_checker.**'],
    }),
});
