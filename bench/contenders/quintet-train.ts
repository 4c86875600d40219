/** Steps of training in Quintet. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adamw,
  asSystem,
  createProcessor,
  defaultEngine,
  type Engine,
  load,
  lora,
  nextToken,
  type System,
} from '../../src/index.js';
import { initialise, layeredWeights, type Model } from '../../src/model/index.js';
import { networkOf } from '../../src/recipes/index.js';
import { fields } from '../../src/tensor/index.js';
import { type BatchSource, type StepReport, train } from '../../src/train/index.js';
import { keptFeatures, keptWay } from '../../src/train/kept-features.js';
import type { FrozenForm } from '../../src/train/step.js';
import type { Program } from '../contender.js';
import type { Settings, TrainingSettings } from '../harness/benchmark.js';
import { conversations, pictureToken, readings, texts } from './batches.js';
import { picturedConfig, writePictured } from './pictured.js';

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

type Prepare = (engine: Engine, folder: string, frozen: FrozenForm) => Promise<Task>;

const works: Readonly<Record<TrainingSettings['work'], Prepare>> = {
  async lora(engine, folder) {
    return { ...(await adapted(engine, folder)), data: texts(4, 256, 49152) };
  },
  async 'lora-pages'(engine, folder) {
    const task = await adapted(engine, folder);
    return { ...task, data: readings(4, 256, createProcessor(task.model).tokenizer) };
  },
  async gpt(engine) {
    return { model: await initialised(engine, small), train: ['**'], data: texts(8, 128, 8192) };
  },
  async projector(engine, folder, frozen) {
    // Only weights of a file are held in integers.
    const model = await (frozen === 'f32' ? initialised : fromFile)(engine, picturedConfig(folder, pictureToken));
    return { model, train: ['multi_modal_projector.**'], data: conversations(4) };
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

/** LoRA of rank 8 on queries and values. */
async function adapted(engine: Engine, folder: string): Promise<Omit<Task, 'data'>> {
  const adapter = lora({ rank: 8, alpha: 16, on: ['**.{q,v}_proj'] });
  const model = asSystem(await load(folder, { engine }));
  const weights = layeredWeights(model.weights, new Map(), 1);
  return { model: { ...model, adapt: adapter.adapt, weights }, train: adapter.parameters };
}

const initialised = async (engine: Engine, config: Record<string, unknown>): Promise<Model<System>> =>
  asSystem(await initialise(networkOf(fields(config, 'config.json')), { engine, seed: 1 }));

/** The same, loaded from a folder. */
async function fromFile(engine: Engine, config: Record<string, unknown>): Promise<Model<System>> {
  const folder = mkdtempSync(join(tmpdir(), 'model-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await writePictured(engine, folder, config);
  return asSystem(await load(folder, { engine }));
}

export async function prepare({ path, threads, training }: Settings): Promise<() => Promise<Program>> {
  const engine = await defaultEngine({ threads });
  const { work, frozen = 'f32', recompute = false } = training as TrainingSettings;
  const { model, ...task } = await works[work](engine, path as string, frozen);
  return async () => ({
    async train(steps) {
      const told: StepReport[] = [];
      await train(model, {
        ...{ objective: nextToken(), steps: steps + 1, frozen, recompute, clock: () => performance.now(), ...task },
        optimizer: adamw({ lr: 1e-3, decay: 0.01, decayOn: 'all', clip: 0 }),
        onStep: (report) => told.push(report),
      });
      return { times: told.slice(1).map(({ time }) => time), losses: told.map(({ loss }) => loss) };
    },
  });
}
