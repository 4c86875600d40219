/**
 * Smol: Quintet's default picture-chat model, joined of published weights (`models/smol`): EfficientNet-Lite0, trained on
 * ImageNet, and SmolLM2-135M-Instruct.
 *
 * The composition is LLaVA's; what stands between the parts names what is seen in the words of the language model.
 */
import { llama, readLlama } from '../parts/backbones/llama.js';
import { readEfficientNet } from '../parts/encoders/efficientnet.js';
import { efficientNetViews, viewWidths } from '../parts/encoders/efficientnet-views.js';
import { namedViews, readNamedViews } from '../parts/input-projectors/named-views.js';
import { adamw, nextToken, recipe, repeated, slot, steps, system } from '../system/index.js';

const vision = { image: 320, width: 1, depth: 1, classes: 1000 };
const language = {
  ...{ width: 576, depth: 30, heads: 9, kvHeads: 3, hidden: 1536, vocab: 49152, context: 8192 },
  ...{ tied: true, epsilon: 1e-5, theta: 100_000 },
};
const adam = { warmup: { steps: 20 }, schedule: 'cosine', minimum: 0.05, betas: [0.9, 0.98] } as const;
const answering = {
  ...{ data: 'smol-chats', objective: nextToken(), batch: 12, train: [] },
  adapter: { kind: 'lora', rank: 16, alpha: 32, on: ['language_model.**.{q,k,v,o,gate,up,down}_proj'] },
} as const;
const naming = {
  ...{ concepts: 538, flags: 232, photographs: 1000, colours: 11 },
  ...{ hidden: 768, ninthHidden: 1024, colourHidden: 256 },
};

export const smol = recipe({
  name: 'smol',
  modelTypes: ['quintet_smol'],
  sizes: {
    '135m': { vision, language, naming, token: 16 },
    tiny: {
      vision,
      language: { ...language, width: 32, depth: 2, heads: 2, kvHeads: 1, hidden: 48, vocab: 320 },
      naming: { concepts: 5, flags: 3, photographs: 7, colours: 4, hidden: 16, ninthHidden: 16, colourHidden: 8 },
      token: 1,
    },
  },
  read: (config) => ({
    vision: readEfficientNet(config.part('vision_config', 'quintet_efficientnet_lite')),
    language: readLlama(config.part('text_config', 'llama')),
    naming: readNamedViews(config.object('projector_config')),
    token: config.whole('image_token_id'),
  }),
  build: ({ vision, language, naming, token }, name) =>
    system({
      name,
      inputs: {
        image: {
          encoder: slot(efficientNetViews(vision), { prefix: 'vision_tower' }),
          projector: slot(namedViews({ ...naming, views: viewWidths }), { prefix: 'multi_modal_projector' }),
          ...{ token, prompt: repeated('<empty_output>'), single: true },
        },
      },
      backbone: slot(llama(language), { prefix: 'language_model', from: 'HuggingFaceTB/SmolLM2-135M-Instruct' }),
      stages: [
        { ...answering, name: 'instruct', length: steps(480), optimizer: adamw({ ...adam, lr: 6e-4 }) },
        { ...answering, name: 'refine', length: steps(160), optimizer: adamw({ ...adam, lr: 3e-4 }) },
        { ...answering, name: 'settle', length: steps(80), optimizer: adamw({ ...adam, lr: 3e-4 }) },
      ],
    }),
});
