/** What learnt before an adapter: in its folder where its format holds it, or else the model that it is over. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTensors } from '../../src/checkpoint/index.js';
import { load, readAdapter, saveModel } from '../../src/model/index.js';
import { evaluationsIn } from '../../src/train/evaluations.js';
import { runFile } from '../../src/train/run.js';
import { readRunLog } from '../../src/train/run-log.js';
import { engine } from '../fixture.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const lora = { rank: 2, on: ['language_model.**.{q,v}_proj'] };
const optimizer = { lr: 2e-2, schedule: 'constant' };
const evaluate = { data: 'chats.jsonl', every: 4 };

/** A run of two stages over a model whose projections have biases. */
function twoStages(before: Settings, after: Settings, settings: Settings = {}) {
  const stages = [
    stage({ name: 'align', optimizer, ...before }),
    stage({ name: 'instruct', optimizer, train: [], ...after }),
  ];
  return runFolder({ stages, evaluate, ...settings });
}

const configIn = (folder: string): Settings =>
  JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Settings;

const heldOut = async (log: string): Promise<(number | undefined)[]> =>
  evaluationsIn(await readRunLog(log)).map(({ loss }) => loss);

/** The held-out loss of a base with an adapter merged into it. */
async function lossOfMerged(base: string, adapter: string): Promise<number> {
  const model = await load(base, { engine });
  onTestFinished(() => model.close());
  const { folder, file } = runFolder({ model: './merged', stages: [stage({ name: 'align', steps: 2 })], evaluate });
  const merge = await readAdapter(adapter, model.network, model.declarations);
  await saveModel(model, join(folder, 'merged'), { merge });
  await runFile(file, { engine });
  const [loss] = await heldOut(join(folder, 'out/align/log.jsonl'));
  return loss as number;
}

test.each<[string, Settings, Settings]>([
  ['all of a fresh model', { train: ['**'] }, { fresh: true }],
  ['the language model', { train: ['language_model.**'] }, {}],
  ['parts of a layer', { train: ['**.k_proj.weight'] }, {}],
  ['the projector of a fresh model', {}, { fresh: true }],
])('after %s an adapter is over a model that is saved with it', async (_, before, settings) => {
  const { folder, file } = twoStages(before, { lora }, settings);
  const { folder: adapter, base } = await runFile(file, { engine });
  expect(base).toBe(join(folder, 'out/model'));
  expect(adapter).toBe(join(folder, 'out/adapter'));
  expect(configIn(adapter as string)).toMatchObject({ base_model_name_or_path: base, bias: 'none' });
  expect(configIn(adapter as string)).not.toHaveProperty('modules_to_save');
  expect(readFileSync(join(adapter as string, 'README.md'), 'utf8')).toMatch(/BASE above, is the folder `model`/);
  const losses = await heldOut(join(folder, 'out/instruct/log.jsonl'));
  const last = losses.at(-1) as number;
  expect((await lossOfMerged(base as string, adapter as string)) / last).toBeCloseTo(1, 5);
  expect(losses[0]).not.toBeCloseTo(last, 3);
});

test('what learns whole with the adapter is in its folder, also the weights and biases of its own layers', async () => {
  const { folder, file } = twoStages({}, { lora, train: ['multi_modal_projector.**', '**.self_attn.**'] });
  const { folder: adapter } = await runFile(file, { engine });
  const keys = Object.keys(await readTensors(join(adapter as string, 'adapter_model.safetensors')));
  for (const key of ['q_proj.base_layer.weight', 'q_proj.base_layer.bias', 'k_proj.bias', 'linear_1.weight'])
    expect(
      keys.filter((name) => name.endsWith(key)),
      key,
    ).not.toEqual([]);
  const last = (await heldOut(join(folder, 'out/instruct/log.jsonl'))).at(-1) as number;
  expect((await lossOfMerged(join(folder, 'base'), adapter as string)) / last).toBeCloseTo(1, 5);
});

test('what no module holds alone is refused before the first step', async () => {
  const { folder, file } = twoStages({}, { lora, train: ['language_model.**.k_proj.weight'] });
  await expect(runFile(file, { engine })).rejects.toThrow(
    /stage instruct: train: PEFT saves whole modules, and of \S*layers\.0\.self_attn\.k_proj "\S*\.weight" learns, not all\n {2}let all/,
  );
  expect(existsSync(join(folder, 'out/align'))).toBe(false);
});
