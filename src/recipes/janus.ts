/**
 * Janus: a LLaMA-shaped language model that sees pictures by SigLIP and draws them as codes of a VQGAN.
 *
 * Wu et al., 2024, https://arxiv.org/abs/2410.13848; Chen et al., "Janus-Pro", 2025, https://arxiv.org/abs/2501.17811
 * (sizes: the published configurations; schedule: table 2)
 */
import { llama } from '../parts/backbones/llama.js';
import { textBackboneOf } from '../parts/backbones/text-backbone.js';
import { janusVision, readJanusVision } from '../parts/encoders/janus-vision.js';
import { janusVq, readJanusVq } from '../parts/generators/janus-vq.js';
import { aligner, readAligner } from '../parts/input-projectors/aligner.js';
import { codeHead } from '../parts/output-projectors/code-head.js';
import { adamw, headAtRoot, marked, nextToken, pictureCodes, recipe, slot, steps, system } from '../system/index.js';

const see = { image: 384, patch: 16, width: 1024, depth: 24, heads: 16, hidden: 4096 }; // SigLIP-L
const draw = { side: 24, codes: 16384, codeWidth: 8, channels: 256, base: 128, multiples: [1, 1, 2, 2, 4], layers: 2 };
const small = { side: 2, codes: 64, channels: 16, base: 32, multiples: [1, 1], layers: 1 };
const pro = { vision: see, vq: draw, seeing: {}, drawing: {}, token: 100581 };
const deepseek = { vocab: 102400, context: 16384, tied: false };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };

export const janus = recipe({
  name: 'janus',
  modelTypes: ['janus'],
  published: ['deepseek-community/Janus-Pro-1B', 'deepseek-community/Janus-Pro-7B'],
  sizes: {
    'pro-1b': { ...pro, language: llama({ ...deepseek, width: 2048, depth: 24, heads: 16, hidden: 5632 }) },
    'pro-7b': { ...pro, language: llama({ ...deepseek, width: 4096, depth: 30, heads: 32, hidden: 11008 }) },
    tiny: {
      ...{ ...pro, vision: { ...see, ...tiny, image: 32 }, vq: { ...draw, ...small }, token: 255 },
      language: llama({ ...deepseek, ...tiny, vocab: 256 }),
    },
  },
  read(config) {
    const looks = config.part('vision_config', 'janus_vision_model');
    const draws = config.part('vq_config', 'janus_vqgan');
    const vision = readJanusVision(looks);
    return {
      ...{ vision, vq: readJanusVq(draws, vision.image / vision.patch), token: config.whole('image_token_id', 100581) },
      ...{ seeing: readAligner(looks, 'depth'), drawing: readAligner(draws, 'num_hidden_layers') },
      language: textBackboneOf(config.object('text_config', { optional: true }), {
        takes: ['llama'],
        tied: config.flag('tie_word_embeddings', true),
      }),
    };
  },
  build: ({ vision, seeing, vq, drawing, language, token }, name) =>
    system({
      ...{ name, paper: 'arXiv:2501.17811' },
      inputs: {
        image: {
          encoder: slot(janusVision(vision), { prefix: 'model.vision_model' }),
          projector: slot(aligner(seeing), { prefix: 'model.aligner' }),
          ...{ token, prompt: marked },
        },
      },
      outputs: {
        image: pictureCodes({
          generator: slot(janusVq(vq), { prefix: 'model.vqmodel' }),
          table: { prefix: 'model.generation_embeddings', width: vq.codeWidth },
          projector: slot(aligner(drawing), { prefix: 'model.generation_aligner' }),
          head: slot(codeHead(drawing), { prefix: 'model.generation_head' }),
          begin: '<begin_of_image>',
        }),
      },
      backbone: slot(language, { prefix: 'language_model' }),
      renames: [headAtRoot('language_model', 'model.language_model')],
      stages: [
        {
          // What the last stage trains for understanding: the VQGAN never learns.
          ...{ name: 'instruct', train: ['language_model.**', 'model.{vision_model,aligner}.**'] },
          ...{ objective: nextToken(), optimizer: adamw({ lr: 4e-5, betas: [0.9, 0.95] }) },
          ...{ batch: 128, length: steps(80_000) },
        },
      ],
    }),
});
