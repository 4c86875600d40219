/**
 * Trains the tiny models of the fixtures for a few steps and saves them with their logits or scores, for `check_saved.py`: all
 * of them, or those that are named behind the folder.
 */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readTensors, writeSafetensors } from '../src/checkpoint/index.js';
import {
  asSystem,
  layeredWeights,
  load,
  type Model,
  rewardModel,
  saveModel,
  traceNetwork,
  writeAdapter,
} from '../src/model/index.js';
import {
  type AdapterSettings,
  adamw,
  adapterOf,
  contrast,
  denoise,
  type HostArrays,
  isRewardSystem,
  maskedWords,
  nextToken,
  type Objective,
  ratingLayer,
  rewardPairs,
  type System,
} from '../src/system/index.js';
import { castArray, type HostArray, hostArray, sliceRows } from '../src/tensor/index.js';
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

/** What is saved of a model besides its logits being traced. */
interface Example {
  readonly name: string;
  readonly model: Model;
  readonly objective: Objective;
  /** What three steps are made on, and what is traced. */
  readonly batch: HostArrays;
  readonly inputs: HostArrays;
  readonly want: 'logits' | 'score' | 'logits_per_text' | 'unet.sample';
  readonly adapters: readonly AdapterSettings[];
}

/** Three steps on one batch. */
async function trained(
  model: Model,
  { batch, objective }: Example,
  learns: Pick<TrainOptions, 'train' | 'penalty' | 'pruning'>,
): Promise<HostArrays> {
  const feeds = model.network.prepare ? model.network.prepare(batch) : batch;
  const data = { fields: Object.keys(feeds), accumulates: false, take: async () => [feeds] };
  return (await train(model, { objective, ...learns, optimizer: adamw({ lr: 1e-2 }), steps: 3, data })).values;
}

async function save(example: Example, to: string): Promise<void> {
  const { name, model, inputs, want } = example;
  const trace = async (other: Model, folder: string): Promise<void> => {
    const { [want]: found } = await traceNetwork(other, inputs, { want: [want] });
    const all = { ...inputs, [want]: found } as HostArrays;
    await writeSafetensors(join(folder, 'trace.safetensors'), Object.entries(all));
  };

  const whole = join(to, `${name}-whole`);
  await saveModel(model, join(whole, 'model'), { values: await trained(model, example, { train: ['**'] }) });
  const again = await load(join(whole, 'model'));
  await trace(again, whole);
  await again.close();

  for (const settings of example.adapters) {
    const adapted = join(to, `${name}-${settings.kind}`);
    mkdirSync(adapted, { recursive: true });
    cpSync(model.path as string, join(adapted, 'model'), { recursive: true });
    const { adapt, parameters, penalty, pruning } = adapterOf([settings]);
    const scoped: Model = { ...model, adapt, weights: layeredWeights(model.weights, new Map(), 1) };
    const head = isRewardSystem(model.network) ? [`${ratingLayer(model.network as System)}.weight`] : [];
    const learns = {
      train: [...parameters, ...head],
      ...(penalty ? { penalty } : {}),
      ...(pruning ? { pruning } : {}),
    };
    const values = new Map(Object.entries(await trained(scoped, example, learns)));
    await writeAdapter(join(adapted, 'adapter'), { ...model, base: 'model' }, [settings], values);
    const other = await load(join(adapted, 'model'), { adapter: join(adapted, 'adapter') });
    await trace(other, adapted);
    await other.close();
  }
  await model.close();
}

const folderOf = (name: string): string => `${fixtures}${name}/model`;

/** A model on the labelled batch of its fixture. */
async function onLabels(name: string, own: Pick<Example, 'objective' | 'adapters'>): Promise<Example> {
  const batch = await readTensors(`${fixtures}${name}/inputs.safetensors`);
  const { labels: _, ...inputs } = batch;
  return { name, model: await load(folderOf(name)), batch, inputs, want: 'logits', ...own };
}

/** A reward model of a language model, on two texts of different length. */
async function rating(name: string): Promise<Example> {
  const { input_ids, attention_mask } = await readTensors(`${fixtures}${name}/inputs2.safetensors`);
  const inputs = { input_ids, attention_mask } as HostArrays;
  const pair = { chosen: [0], rejected: [1] };
  const places = Object.entries(pair).map(([side, rows]) => [side, hostArray('i64', [1], rows)]);
  const batch = { ...inputs, ...Object.fromEntries(places), margins: hostArray('f32', [1], [0]) };
  const model = rewardModel(asSystem(await load(folderOf(name))));
  const [lora] = adapters as readonly [AdapterSettings];
  return { name: `${name}-reward`, model, objective: rewardPairs(), batch, inputs, want: 'score', adapters: [lora] };
}

/** CLIP on the texts and pictures of its fixture. */
async function matching(): Promise<Example> {
  const inputs = await readTensors(`${fixtures}clip/inputs.safetensors`);
  const model = await load(folderOf('clip'));
  return { name: 'clip', model, objective: contrast(), batch: inputs, inputs, want: 'logits_per_text', adapters: [] };
}

/** Latent diffusion on the picture of its fixture. */
async function denoising(): Promise<Example> {
  const given = await readTensors(`${fixtures}stable-diffusion/inputs.safetensors`);
  const { sample, timestep, encoder_hidden_states: states, image, noise, posterior_noise } = given;
  const times = castArray(timestep as HostArray, 'f32');
  const inputs = { sample, timestep: times, encoder_hidden_states: states } as HostArrays;
  const first = (array: HostArray): HostArray => sliceRows(array, 0, 1);
  const batch = {
    ...{ pixel_values: image, posterior_noise, noise },
    ...{ timestep: first(times), encoder_hidden_states: first(states as HostArray) },
  } as HostArrays;
  const model = await load(folderOf('stable-diffusion'));
  return { name: 'stable-diffusion', model, objective: denoise(), batch, inputs, want: 'unet.sample', adapters: [] };
}

const examples: Readonly<Record<string, () => Promise<Example>>> = {
  ...Object.fromEntries(models.map((name) => [name, () => onLabels(name, { objective: nextToken(), adapters })])),
  'bert-masked': () => onLabels('bert-masked', { objective: maskedWords(), adapters: [] }),
  clip: matching,
  'stable-diffusion': denoising,
  'llama-reward': () => rating('llama'),
  'qwen2-reward': () => rating('qwen2'),
};

const [to, ...only] = process.argv.slice(2);
if (to === undefined) throw new Error('which folder shall they be saved in?');
for (const [name, example] of Object.entries(examples)) {
  if (only.length === 0 || only.includes(name)) await save(await example(), to);
}
