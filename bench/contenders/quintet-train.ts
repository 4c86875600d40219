/** Steps of training in Quintet. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adamw,
  asSystem,
  defaultEngine,
  type Engine,
  type HostArrays,
  load,
  lora,
  nextToken,
  type System,
} from '../../src/index.js';
import { initialise, layeredWeights, type Model, saveModel } from '../../src/model/index.js';
import { networkOf } from '../../src/recipes/index.js';
import { fields, hostArray } from '../../src/tensor/index.js';
import { type BatchSource, train } from '../../src/train/index.js';
import { keptFeatures, keptWay } from '../../src/train/kept-features.js';
import type { FrozenForm } from '../../src/train/step.js';
import type { Program } from '../contender.js';
import type { Settings, TrainingSettings } from '../harness/benchmark.js';

/** What learns from which batch. */
interface Task {
  readonly model: Model<System>;
  /** Patterns of the weights that learn. */
  readonly train: readonly string[];
  readonly data: BatchSource;
}

/** GPT-2's form with 6 layers of width 384 and a tied head: 13.8 million parameters. */
const small = {
  ...{ model_type: 'gpt2', n_embd: 384, n_layer: 6, n_head: 6, n_inner: 1536, n_positions: 128, vocab_size: 8192 },
  ...{ bos_token_id: 0, eos_token_id: 0 },
};

/** LLaVA's form of CLIP's ViT-B/16, a perceptron and the language model of a folder, with weights at random. */
const picturesOf = (folder: string): Record<string, unknown> => ({
  ...{ model_type: 'llava', image_token_index: pictureToken, vision_feature_layer: -1 },
  ...{ vision_feature_select_strategy: 'default', projector_hidden_act: 'gelu' },
  vision_config: {
    ...{ model_type: 'clip_vision_model', hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12 },
    ...{ num_attention_heads: 12, image_size: pictureSide, patch_size: 16, projection_dim: 512 },
  },
  text_config: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')),
});

const [pictureToken, pictureSide, places, words] = [49151, 224, 196, 64];

type Prepare = (engine: Engine, folder: string, frozen: FrozenForm) => Promise<Task>;

const works: Readonly<Record<TrainingSettings['work'], Prepare>> = {
  async lora(engine, folder) {
    const adapter = lora({ rank: 8, alpha: 16, on: ['**.{q,v}_proj'] });
    const model = asSystem(await load(folder, { engine }));
    const weights = layeredWeights(model.weights, new Map(), 1);
    return {
      ...{ model: { ...model, adapt: adapter.adapt, weights }, train: adapter.parameters },
      data: always(texts(4, 256, 49152)),
    };
  },
  async gpt(engine) {
    return { model: await initialised(engine, small), train: ['**'], data: always(texts(8, 128, 8192)) };
  },
  async projector(engine, folder, frozen) {
    // Only weights of a file are held in integers.
    const model = await (frozen === 'f32' ? initialised : fromFile)(engine, picturesOf(folder));
    return { model, train: ['multi_modal_projector.**'], data: always(conversations(4)) };
  },
  async 'projector-kept'(engine, folder, frozen) {
    const { model, train, data } = await works.projector(engine, folder, frozen);
    const stage = { frozen, batch: 4, cacheFeatures: { asked: true, limit: 1e9 } };
    const way = keptWay(model, { stage, train, steps: 1, dataset: { count: 4 } });
    if (!way) throw new Error('features are not kept');
    const features = mkdtempSync(join(tmpdir(), 'features-'));
    process.once('exit', () => rmSync(features, { recursive: true, force: true }));
    const kept = await keptFeatures(model, way, data, { folder: features, frozen, limit: 1e9 });
    return { model: { ...model, network: kept.network }, train, data: kept.data };
  },
};

const initialised = async (engine: Engine, config: Record<string, unknown>): Promise<Model<System>> =>
  asSystem(await initialise(networkOf(fields(config, 'config.json')), { engine, seed: 1 }));

/** The same, loaded from a folder. */
async function fromFile(engine: Engine, config: Record<string, unknown>): Promise<Model<System>> {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const made = await load(folder, { engine, fresh: 1 });
  await saveModel(made, folder);
  await made.close();
  return asSystem(await load(folder, { engine }));
}

export async function prepare({ path, threads, training }: Settings): Promise<() => Promise<Program>> {
  const engine = await defaultEngine({ threads });
  const { work, frozen = 'f32', recompute = false } = training as TrainingSettings;
  const { model, ...task } = await works[work](engine, path as string, frozen);
  return async () => ({
    async train(steps) {
      const times: number[] = [];
      let last = Number.NaN;
      await train(model, {
        ...{ objective: nextToken(), steps: steps + 1, frozen, recompute, clock: () => performance.now(), ...task },
        optimizer: adamw({ lr: 1e-3, decay: 0.01, decayOn: 'all', clip: 0 }),
        onStep({ time, loss }) {
          times.push(time);
          last = loss;
        },
      });
      return { times: times.slice(1), loss: last };
    },
  });
}

const always = (batch: HostArrays): BatchSource => ({
  ...{ fields: Object.keys(batch), accumulates: false, rows: batch.input_ids?.shape[0] as number },
  take: async () => [batch],
});

/** Arbitrary words, all of which are predicted. */
function texts(rows: number, tokens: number, vocab: number): HostArrays {
  const ids = arbitrary(rows * tokens, vocab);
  return batchOf(ids, ids, [rows, tokens]);
}

/** A picture and words about it in each row; words are predicted. */
function conversations(rows: number): HostArrays {
  const said = arbitrary(rows * words, pictureToken);
  const rowsOf = (before: number): number[] =>
    Array.from({ length: rows }, (_, row) => [
      ...new Array<number>(places).fill(before),
      ...said.slice(row * words, (row + 1) * words),
    ]).flat();
  const pixels = Float32Array.from(arbitrary(rows * 3 * pictureSide ** 2, 256), (level) => level / 127.5 - 1);
  return {
    ...batchOf(rowsOf(pictureToken), rowsOf(-100), [rows, places + words]),
    pixel_values: hostArray('f32', [rows, 3, pictureSide, pictureSide], pixels),
  };
}

function batchOf(ids: readonly number[], labels: readonly number[], shape: readonly number[]): HostArrays {
  const array = (values: readonly number[]) => hostArray('i64', shape, values);
  return { input_ids: array(ids), attention_mask: array(ids.map(() => 1)), labels: array(labels) };
}

function arbitrary(count: number, below: number): number[] {
  let state = 1234567;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  });
}
