/** Steps of training. */

import type { Benchmark, Contender, TrainingSettings } from '../harness/benchmark.js';
import { models } from '../harness/paths.js';
import { packedFolder, pairsOf } from './language.js';

const threads = 2;
const steps = 5;

const quintet = (name: string, training: TrainingSettings, path: string = models.f32Folder): Contender => ({
  name: `Quintet ${name}`,
  program: 'quintet-train',
  settings: { path, threads, training },
  environment: { QUINTET_CACHE: packedFolder },
});

const torch = (name: string, training: TrainingSettings): Contender => ({
  name: `PyTorch ${name}`,
  program: 'torch',
  settings: { path: models.f32Folder, threads, training },
});

const ours = {
  whole: quintet('LoRA f32', { work: 'lora' }),
  wholeAgain: quintet('LoRA f32, recomputed', { work: 'lora', recompute: true }),
  eight: quintet('LoRA int8', { work: 'lora', frozen: 'int8' }),
  eightAgain: quintet('LoRA int8, recomputed', { work: 'lora', frozen: 'int8', recompute: true }),
  four: quintet('LoRA nf4', { work: 'lora', frozen: 'nf4' }),
  fourAgain: quintet('LoRA nf4, recomputed', { work: 'lora', frozen: 'nf4', recompute: true }),
  blocks: quintet('LoRA Q4_1', { work: 'lora', frozen: 'blocks' }, models.q4_1),
  blocksAgain: quintet('LoRA Q4_1, recomputed', { work: 'lora', frozen: 'blocks', recompute: true }, models.q4_1),
  gpt: quintet('GPT', { work: 'gpt' }),
  projector: quintet('projector', { work: 'projector' }),
  projectorKept: quintet('projector, features kept', { work: 'projector-kept' }),
  projectorEight: quintet('projector int8', { work: 'projector', frozen: 'int8' }),
  projectorEightKept: quintet('projector int8, features kept', { work: 'projector-kept', frozen: 'int8' }),
} as const;

const theirs = {
  whole: torch('LoRA f32', { work: 'lora' }),
  half: torch('LoRA bf16', { work: 'lora', autocast: 'bf16' }),
  gpt: torch('GPT', { work: 'gpt' }),
  projector: torch('projector', { work: 'projector' }),
} as const;

export const training: Benchmark = {
  name: 'train',
  title: 'Train',
  about:
    `Milliseconds of a step (the median of ${steps}, the first one not counted) and the most memory of the process, 2 ` +
    'threads. LoRA: rank 8 on queries and values of SmolLM2-135M, 4 rows of 256 tokens, frozen weights in f32, in eight ' +
    "bits, in NF4 or in a file's own blocks of four bits, the model's blocks kept or computed again; PyTorch's by " +
    'transformers and peft, in f32 or with autocast to bf16. GPT: all of 13.8 million weights, 8 rows of 128 tokens. Projector: a perceptron of two ' +
    "layers alone, between CLIP's ViT-B/16 and SmolLM2-135M, 4 rows of a picture's 196 places and 64 words, computed from " +
    'pixels or from what the encoder made of them before, in f32 or with frozen weights in eight bits.',
  contenders: [...Object.values(ours), ...Object.values(theirs)],
  measures: [
    { name: 'step', unit: 'ms', better: 'less' },
    { name: 'peak', unit: 'MiB', better: 'less' },
  ],
  pairs: pairsOf([
    [ours.whole, theirs.whole],
    [ours.eight, theirs.whole],
    [ours.eight, theirs.half],
    [ours.eightAgain, theirs.whole],
    [ours.eightAgain, theirs.half],
    [ours.wholeAgain, ours.whole],
    [ours.eightAgain, ours.eight],
    [ours.four, ours.whole],
    [ours.fourAgain, ours.wholeAgain],
    [ours.blocksAgain, ours.wholeAgain],
    [ours.gpt, theirs.gpt],
    [ours.projector, theirs.projector],
    [ours.projectorKept, theirs.projector],
    [ours.projectorEight, theirs.projector],
    [ours.projectorEightKept, theirs.projector],
  ]),
  turn: {
    kind: 'fresh',
    async take(contender, start) {
      const child = start(contender);
      try {
        await child.ask('prepare', contender);
        await child.ask('open', {});
        const { step, peak } = await child.ask('train', { steps });
        return { step, peak };
      } finally {
        await child.stop();
      }
    },
  },
};
