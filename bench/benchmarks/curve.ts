/** What training in few bits does to the losses. */

import type { Benchmark, Contender, TrainingSettings } from '../harness/benchmark.js';
import { models } from '../harness/paths.js';
import { farthest, means } from '../harness/statistics.js';
import { packedFolder } from './language.js';

const steps = 100;
const told = [1, 25, 50, 75, 100] as const;
const window = 10;

const quintet = (name: string, frozen?: TrainingSettings['frozen']): Contender => ({
  name: `Quintet LoRA ${name}`,
  program: 'quintet-train',
  settings: {
    ...{ path: models.f32Folder, threads: 2 },
    training: { work: 'lora-pages', ...(frozen ? { frozen } : {}) },
  },
  environment: { QUINTET_CACHE: packedFolder },
});

const whole = quintet('f32');

export const curve: Benchmark = {
  name: 'curve',
  title: 'Curve',
  about:
    `Losses of ${steps} steps of LoRA, rank 8 on queries and values of SmolLM2-135M, 4 rows of 256 tokens of this project's ` +
    'pages, the same ones in each form that frozen weights are held in; and how far the losses are from those in f32 at ' +
    `most, of single steps and of means of ${window}.`,
  contenders: [whole, quintet('int8', 'int8'), quintet('nf4', 'nf4')],
  measures: [
    ...told.map((step) => ({ name: `step ${step}`, unit: '', better: 'less' as const })),
    { name: 'steps apart', unit: '%', better: 'less' },
    { name: 'means apart', unit: '%', better: 'less' },
  ],
  pairs: [],
  realtime: false,
  once: true,
  turn: { kind: 'fresh', take: comparing() },
};

/** The losses of each contender, and of those behind the first how far they are from its. */
function comparing(): Extract<Benchmark['turn'], { kind: 'fresh' }>['take'] {
  let exact: readonly number[] | undefined;
  return async (contender, start) => {
    const child = start(contender);
    try {
      await child.ask('prepare', contender);
      await child.ask('open', {});
      const { losses } = await child.ask('train', { steps: steps - 1 });
      if (contender === whole) exact = losses;
      const values = Object.fromEntries(told.map((step) => [`step ${step}`, losses[step - 1] as number]));
      if (!exact || contender === whole) return values;
      return {
        ...values,
        'steps apart': 100 * farthest(losses, exact),
        'means apart': 100 * farthest(means(losses, window), means(exact, window)),
      };
    } finally {
      await child.stop();
    }
  };
}
