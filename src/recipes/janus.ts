/**
 * Janus: a LLaMA-shaped language model that sees pictures by SigLIP and draws them as codes of a VQGAN.
 *
 * Wu et al., 2024, https://arxiv.org/abs/2410.13848; Chen et al., "Janus-Pro", 2025, https://arxiv.org/abs/2501.17811
 * (sizes: the published configurations; schedule: table 2)
 */
import { llama, readLlama } from '../parts/backbones/llama.js';
import { janusVision, readJanusVision } from '../parts/encoders/janus-vision.js';
import { janusVq, readJanusVq } from '../parts/generators/janus-vq.js';
import { aligner, readAligner } from '../parts/input-projectors/aligner.js';
import { codeHead } from '../parts/output-projectors/code-head.js';
import { adamw, framed, nextToken, pictureCodes, recipe, slot, steps, system } from '../system/index.js';

const siglip = { image: 384, patch: 16, width: 1024, depth: 24, heads: 16, hidden: 4096 }; // SigLIP-L
const vqgan = { side: 24, codes: 16384, codeWidth: 8, channels: 256, base: 128, multiples: [1, 1, 2, 2, 4], layers: 2 };
const pro = { vision: siglip, seeing: {}, vq: vqgan, drawing: {}, token: 100581 };
const deepseek = { vocab: 102400, context: 16384, tied: false };
const tiny = { width: 32, depth: 2, heads: 4, hidden: 48 };

const preamble =
  'You are a helpful language and vision assistant. You are able to understand the visual content that the user ' +
  'provides, and assist the user with a variety of tasks using natural language.\n\n';

export const janus = recipe({
  name: 'janus',
  modelTypes: ['janus'],
  sizes: {
    'pro-1b': { ...pro, language: { ...deepseek, width: 2048, depth: 24, heads: 16, hidden: 5632 } },
    'pro-7b': { ...pro, language: { ...deepseek, width: 4096, depth: 30, heads: 32, hidden: 11008 } },
    tiny: {
      ...{ ...pro, vision: { ...siglip, ...tiny, image: 32 }, token: 255 },
      vq: { ...vqgan, side: 2, codes: 64, channels: 16, base: 32, multiples: [1, 1], layers: 1 },
      language: { ...deepseek, ...tiny, vocab: 256 },
    },
  },
  read(config) {
    const part = (name: string) => config.object(`${name}_config`, { optional: true });
    const [see, draw] = [part('vision'), part('vq')];
    const [vision, language] = [readJanusVision(see), readLlama(part('text'))];
    return {
      ...{ vision, seeing: readAligner(see, 'depth'), token: config.whole('image_token_id', 100581) },
      ...{ vq: readJanusVq(draw, vision.image / vision.patch), drawing: readAligner(draw, 'num_hidden_layers') },
      language: { ...language, tied: config.flag('tie_word_embeddings', language.tied) },
    };
  },
  build: ({ vision, seeing, vq, drawing, language, token }, name) =>
    system({
      name,
      paper: 'arXiv:2501.17811',
      inputs: {
        image: {
          encoder: slot(janusVision(vision), { prefix: 'model.vision_model' }),
          projector: slot(aligner(seeing), { prefix: 'model.aligner' }),
          ...{ token, prompt: { ...framed('<begin_of_image>', '<image_placeholder>', '<end_of_image>'), preamble } },
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
      backbone: slot(llama(language), { prefix: 'language_model' }),
      renames: [
        [
          ['language_model.model', 'model.language_model'],
          ['language_model.lm_head', 'lm_head'],
        ],
      ],
      stages: [
        // What the last stage trains for understanding: the VQGAN never learns.
        {
          ...{ name: 'instruct', train: ['language_model.**', 'model.{vision_model,aligner}.**'] },
          ...{ objective: nextToken(), optimizer: adamw({ lr: 4e-5, betas: [0.9, 0.95] }) },
          ...{ batch: 128, length: steps(80_000) },
        },
      ],
    }),
});
