/** Trains the tiny models of the fixtures for a few steps and saves them with their logits, for `check_saved.py`. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readTensors, writeSafetensors } from '../src/checkpoint/index.js';
import { layeredWeights, load, type Model, saveModel, traceNetwork, writeAdapter } from '../src/model/index.js';
import { type AdapterSettings, adamw, adapterOf, type HostArrays, nextToken } from '../src/system/index.js';
import { type TrainOptions, train } from '../src/train/index.js';

const fixtures = new URL('../test/fixtures/', import.meta.url).pathname;
const models = [
  'llama',
  'llama-rope-scaled',
  'opt',
  'opt-post-norm',
  'llava',
  'llava-v5names',
  'blip2-opt',
  'smolvlm',
  'idefics3',
];
const adapters: readonly AdapterSettings[] = [
  { kind: 'lora', rank: 3, on: ['**.{q_proj,v_proj,patch_embedding}'] },
  { kind: 'adalora', rank: 3, on: ['**.{q_proj,v_proj}'], cuts: { rank: 1, steps: 3 } },
];

/** Three steps on the one batch that a fixture has. */
async function trained(
  model: Model,
  inputs: HostArrays,
  learns: Pick<TrainOptions, 'train' | 'penalty' | 'pruning'>,
): Promise<HostArrays> {
  const feeds = model.network.prepare ? model.network.prepare(inputs) : inputs;
  const data = { fields: Object.keys(feeds), accumulates: false, take: async () => [feeds] };
  const optimizer = adamw({ lr: 1e-2 });
  return (await train(model, { objective: nextToken(), ...learns, optimizer, steps: 3, data })).values;
}

async function save(name: string, to: string): Promise<void> {
  const base = `${fixtures}${name}/model`;
  const model = await load(base);
  const all = await readTensors(`${fixtures}${name}/inputs.safetensors`);
  const { labels: _, ...inputs } = all;
  const trace = async (other: Model, folder: string): Promise<void> => {
    const { logits } = await traceNetwork(other, inputs, { want: ['logits'] });
    await writeSafetensors(join(folder, 'trace.safetensors'), Object.entries({ ...inputs, logits } as HostArrays));
  };

  const whole = join(to, `${name}-whole`);
  await saveModel(model, join(whole, 'model'), { values: await trained(model, all, { train: ['**'] }) });
  const again = await load(join(whole, 'model'));
  await trace(again, whole);
  await again.close();

  for (const settings of adapters) {
    const adapted = join(to, `${name}-${settings.kind}`);
    mkdirSync(adapted, { recursive: true });
    cpSync(base, join(adapted, 'model'), { recursive: true });
    const { adapt, parameters, penalty, pruning } = adapterOf([settings]);
    const scoped: Model = { ...model, adapt, weights: layeredWeights(model.weights, new Map(), 1) };
    const learns = { train: parameters, ...(penalty ? { penalty } : {}), ...(pruning ? { pruning } : {}) };
    const values = new Map(Object.entries(await trained(scoped, all, learns)));
    await writeAdapter(join(adapted, 'adapter'), { ...model, base: 'model' }, [settings], values);
    const other = await load(join(adapted, 'model'), { adapter: join(adapted, 'adapter') });
    await trace(other, adapted);
    await other.close();
  }
  await model.close();
}

const [to] = process.argv.slice(2);
if (to === undefined) throw new Error('which folder shall they be saved in?');
for (const name of models) await save(name, to);
