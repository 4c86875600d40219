/** Steps of training in Quintet. */

import { adamw, asSystem, defaultEngine, load, lora, nextToken, type System } from '../../src/index.js';
import { initialise, layeredWeights, type Model } from '../../src/model/index.js';
import { networkOf } from '../../src/recipes/index.js';
import { fields, hostArray } from '../../src/tensor/index.js';
import { type BatchSource, train } from '../../src/train/index.js';
import type { Program } from '../contender.js';
import type { Settings, TrainingSettings } from '../harness/benchmark.js';

/** GPT-2's form with 6 layers of width 384 and a tied head: 13.8 million parameters. */
const small = {
  ...{ model_type: 'gpt2', n_embd: 384, n_layer: 6, n_head: 6, n_inner: 1536, n_positions: 128, vocab_size: 8192 },
  ...{ bos_token_id: 0, eos_token_id: 0 },
};

export async function prepare({ path, threads, training }: Settings): Promise<() => Promise<Program>> {
  const engine = await defaultEngine({ threads });
  const { work, frozen = 'f32', recompute = false } = training as TrainingSettings;
  const model =
    work === 'gpt'
      ? asSystem(await initialise(networkOf(fields(small, 'config.json')), { engine, seed: 1 }))
      : asSystem(await load(path as string, { engine }));
  const adapter = lora({ rank: 8, alpha: 16, on: ['**.{q,v}_proj'] });
  const [rows, tokens, vocab] = work === 'gpt' ? [8, 128, 8192] : [4, 256, 49152];
  const adapted = work === 'gpt' ? model : withNewWeights(model, adapter.adapt);
  return async () => ({
    async train(steps) {
      const times: number[] = [];
      let last = Number.NaN;
      await train(adapted, {
        ...{ objective: nextToken(), steps: steps + 1, frozen, recompute, clock: () => performance.now() },
        train: work === 'gpt' ? ['**'] : adapter.parameters,
        optimizer: adamw({ lr: 1e-3, decay: 0.01, decayOn: 'all', clip: 0 }),
        data: sameBatch(rows as number, tokens as number, vocab as number),
        onStep({ time, loss }) {
          times.push(time);
          last = loss;
        },
      });
      return { times: times.slice(1), loss: last };
    },
  });
}

function withNewWeights(model: Model<System>, adapt: Model['adapt']): Model<System> {
  return { ...model, adapt, weights: layeredWeights(model.weights, new Map(), 1) };
}

function sameBatch(rows: number, tokens: number, vocab: number): BatchSource {
  let state = 1234567;
  const ids = Array.from({ length: rows * tokens }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % vocab;
  });
  const array = (values: readonly number[]) => hostArray('i64', [rows, tokens], values);
  const batch = { input_ids: array(ids), attention_mask: array(ids.map(() => 1)), labels: array(ids) };
  return { fields: Object.keys(batch), accumulates: false, rows, take: async () => [batch] };
}
