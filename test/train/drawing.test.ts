/** Answers that a model gives while it learns: by sessions that last, with the newest values. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, layeredWeights, load, type Model } from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { promptBatches } from '../../src/train/prompt-samples.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { runFolder, stage } from './runs.js';

const prompts = [{ images: ['one.png'], prompt: '<image>What do you see?' }, { prompt: 'How many birds?' }];
const reward = 'export default (answers) => answers.map(({ answer }) => answer.length);\n';

function folderOf(settings: object): ReturnType<typeof runFolder> {
  const objective = { kind: 'grpo', reward: './reward.mjs', answers: 2, maxTokens: 4 };
  const own = { name: 'draw', data: 'prompts.jsonl', batch: 2, steps: 3, objective, optimizer: { lr: 1e-2 } };
  const run = runFolder({ stages: [stage({ ...own, ...settings })] });
  writeFileSync(join(run.folder, 'prompts.jsonl'), jsonLines(prompts));
  writeFileSync(join(run.folder, 'reward.mjs'), reward);
  return run;
}

/** How many sessions were compiled after each step of a run. */
async function compiledBy(learns: object): Promise<readonly number[]> {
  let compiled = 0;
  const counting: Engine = {
    ...engine,
    createSession(model, options) {
      compiled++;
      return engine.createSession(model, options);
    },
  };
  const counts: number[] = [];
  await runFile(folderOf(learns).file, { engine: counting, onStep: () => counts.push(compiled) });
  return counts;
}

test.each<[string, object]>([
  ['an adapter learns', { lora: { rank: 2, alpha: 4, on: ['language_model.**.q_proj'] } }],
  ['weights learn', { train: ['language_model.**', 'multi_modal_projector.**'] }],
])('after the first step no session is compiled where %s', async (_, learns) => {
  const [first, ...later] = await compiledBy(learns);
  expect(first).toBeGreaterThan(0);
  expect(later).toEqual([first, first]);
});

test('virtual keys, which a session begins with, are compiled anew as they change', async () => {
  const [first = 0, second = 0, third = 0] = await compiledBy({ adapter: { kind: 'prefix', count: 2 } });
  expect(second).toBeGreaterThan(first);
  expect(third).toBeGreaterThan(second);
});

test('answers are those of the values as they are, not as they were when sessions were compiled', async () => {
  const { folder } = folderOf({ train: ['**'] });
  const model = asSystem(await load(join(folder, 'base'), { engine }));
  const name = 'language_model.lm_head.weight';
  const declared = model.declarations.get(name);
  if (!declared) throw new Error(`no ${name}`);
  const value = await model.weights.read(declared);
  const changing: HostArray = { ...value, data: (value.data as Float32Array).slice() };
  const living: Model<System> = { ...model, living: { [name]: changing } };
  const dataset = await openDataset(join(folder, 'prompts.jsonl'));
  const sourceOf = () =>
    promptBatches(model, dataset, { batch: 2, answers: 2, maxTokens: 6, reward: (all) => all.map(() => 0) });
  const drawn = async (source: ReturnType<typeof sourceOf>, of: Model): Promise<number[]> => {
    const [batch] = await source.take(1, async () => of);
    return toNumbers(batch?.input_ids as HostArray);
  };
  const lasting = sourceOf();
  const before = await drawn(lasting, living);
  const numbers = changing.data as Float32Array;
  numbers.set(numbers.toReversed());
  const after = await drawn(lasting, living);
  const weights = layeredWeights(model.weights, new Map([[name, changing]]));
  const fresh = sourceOf();
  expect(after).toEqual(await drawn(fresh, { ...model, weights }));
  expect(after).not.toEqual(before);
  for (const { close } of [lasting, fresh]) await close?.();
  await dataset.close();
  await model.close();
});

test('sessions that draw are put to rest after what is held out alone', async () => {
  const { folder } = folderOf({ train: ['**'] });
  const model = asSystem(await load(join(folder, 'base'), { engine }));
  const dataset = await openDataset(join(folder, 'prompts.jsonl'));
  const rests = [true, false].map(
    (once) => 'rest' in promptBatches(model, dataset, { batch: 2, once, reward: () => [] }),
  );
  expect(rests).toEqual([true, false]);
  await dataset.close();
  await model.close();
});
