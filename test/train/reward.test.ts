/** Reward models against transformers and TRL, and run files that make them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { merge } from '../../src/cli/merge.js';
import { asSystem, LanguageSession, load, type Model, traceNetwork } from '../../src/model/index.js';
import { type HostArrays, rewardPairs } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers, zerosArray } from '../../src/tensor/index.js';
import { openReward } from '../../src/train/reward.js';
import { runFile } from '../../src/train/run.js';
import type { StepReport } from '../../src/train/train.js';
import { captured } from '../cli/cli.js';
import { engine, expectSame, fixtureTensors, withModel } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { rows } from './fixture.js';
import { pass } from './objectives.js';
import { runFolder, stage } from './runs.js';

const tolerance = { rtol: 2e-5, atol: 1e-8 };
const name = 'reward';

async function batchOf(margins: 'margins' | 'none'): Promise<HostArrays> {
  const { labels: _, ...batch } = await fixtureTensors(name, 'inputs');
  return margins === 'none' ? { ...batch, margins: zerosArray('f32', [3]) } : batch;
}

test('texts are rated as transformers does it, and padding counts nowhere', async () => {
  const expected = await fixtureTensors(name, 'expected');
  await withModel(name, async (model) => {
    const { input_ids, attention_mask } = (await batchOf('none')) as Record<string, HostArray>;
    const given = { input_ids, attention_mask } as HostArrays;
    const { score } = await traceNetwork(model, given, { want: ['score'] });
    expectSame(score, expected.score as HostArray, 'score', tolerance);
    const { score: left } = await traceNetwork(model, paddedLeft(given), { want: ['score'] });
    expectSame(left, expected.score as HostArray, 'score of rows padded on the left', tolerance);
  });
});

/** The rows of a batch with their padding in front. */
function paddedLeft({ input_ids: ids, attention_mask: mask }: HostArrays): HostArrays {
  const [count, length] = (ids as HostArray).shape as [number, number];
  const [all, present] = [toNumbers(ids as HostArray), toNumbers(mask as HostArray)];
  const turned = (values: readonly number[]): HostArray =>
    hostArray(
      'i64',
      [count, length],
      Array.from({ length: count }, (_, row) => {
        const own = values.slice(row * length, (row + 1) * length);
        const real = present.slice(row * length, (row + 1) * length).reduce((sum, x) => sum + x, 0);
        return [...own.slice(real), ...own.slice(0, real)];
      }).flat(),
    );
  return { input_ids: turned(all), attention_mask: turned(present) };
}

test.each(['plain', 'margin', 'center'] as const)("TRL's loss, its gradients and metrics: %s", async (kind) => {
  const expected = await fixtureTensors(name, 'expected');
  const objective = rewardPairs(kind === 'center' ? { center: 0.3 } : {});
  await withModel(name, async (model) => {
    const whole = await batchOf(kind === 'plain' ? 'none' : 'margins');
    for (const batches of [[whole], parts(whole)]) {
      const found = await pass({ objective, model }, batches);
      const near = (actual: number, wanted: string): void =>
        expectSame(hostArray('f32', [], [actual]), expected[wanted] as HostArray, wanted, tolerance);
      near(found.loss, `loss.${kind}`);
      near(found.norm, `norm.${kind}`);
      const shown = Object.keys(expected).filter((key) => key.startsWith(`grad.${kind}.`));
      expect(shown).toHaveLength(4);
      for (const key of shown)
        expectSame(found.slopes[key.slice(`grad.${kind}.`.length)], expected[key] as HostArray, key, tolerance);
      for (const [metric, value] of Object.entries(found.metrics)) near(value, `metric/${metric}`);
      expect(Object.keys(found.metrics)).toHaveLength(3);
    }
  });
});

/** The pairs of a batch as two micro-batches. */
function parts(whole: HostArrays): HostArrays[] {
  const margins = toNumbers(whole.margins as HostArray);
  const { input_ids: ids, attention_mask: mask } = whole as Record<string, HostArray>;
  const part = (kept: readonly number[], places: readonly (readonly [number, number])[], own: readonly number[]) => ({
    input_ids: rows(ids as HostArray, kept),
    attention_mask: rows(mask as HostArray, kept),
    chosen: hostArray(
      'i64',
      [places.length],
      places.map(([chosen]) => chosen),
    ),
    rejected: hostArray(
      'i64',
      [places.length],
      places.map(([, rejected]) => rejected),
    ),
    margins: hostArray('f32', [own.length], own),
  });
  // Pairs of the fixture: rows 0 and 1, 3 and 2, 5 and 4.
  const first = [
    [0, 1],
    [3, 2],
  ] as const;
  return [part([0, 1, 2, 3], first, margins.slice(0, 2)), part([4, 5], [[1, 0]], margins.slice(2))];
}

const pairs = [
  { images: ['one.png'], prompt: '<image>What do you see?', chosen: 'a tall tree', rejected: 'two birds', margin: 0.5 },
  { prompt: 'How many birds?', chosen: 'two birds', rejected: 'nothing at all' },
];
const optimizer = { lr: 2e-2, schedule: 'constant' };

const pairStage = (settings: Readonly<Record<string, unknown>>) =>
  stage({ name: 'rate', data: 'pairs.jsonl', batch: 2, steps: 8, optimizer, objective: 'reward', ...settings });

async function run(settings: Readonly<Record<string, unknown>>, others: Readonly<Record<string, unknown>> = {}) {
  const { folder, file } = runFolder({ stages: [pairStage(settings)], ...others });
  writeFileSync(join(folder, 'pairs.jsonl'), jsonLines(pairs));
  return { ...(await reported(file)), folder };
}

/** Another run in the folder of one. */
function runIn(folder: string, own: Readonly<Record<string, unknown>>) {
  const file = join(folder, 'another.yaml');
  writeFileSync(file, stringify({ model: './base', output: 'another', seed: 3, stages: [own] }));
  return reported(file);
}

async function reported(file: string) {
  const reports: StepReport[] = [];
  const { folder } = await runFile(file, { engine, onStep: (_, report) => reports.push(report) });
  return { reports, result: folder as string };
}

/** How a model rates some rows of words. */
async function rated(model: Model): Promise<number[]> {
  const ids = hostArray('i64', [2, 3], [3, 4, 5, 6, 7, 8]);
  const given = { input_ids: ids, attention_mask: hostArray('i64', [2, 3], [1, 1, 1, 1, 1, 0]) };
  return toNumbers((await traceNetwork(model, given, { want: ['score'] })).score as HostArray);
}

test('a run makes a reward model of a language model, in the format that transformers has for it', async () => {
  const { reports, result } = await run({ train: ['language_model.**'] });
  expect(reports.at(-1)?.metrics?.accuracy).toBe(1);
  expect(reports.at(-1)?.loss).toBeLessThan(reports[0]?.loss as number);
  const config = JSON.parse(readFileSync(join(result, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({
    architectures: ['LlavaForSequenceClassification'],
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  });
  const model = await load(result, { engine });
  expect([...model.declarations.keys()]).toContain('language_model.score.weight');
  expect([...model.declarations.keys()].filter((key) => key.endsWith('lm_head.weight'))).toEqual([]);
  await model.close();
});

test('an adapter brings the head that it learnt with', async () => {
  const lora = { rank: 4, alpha: 8, on: ['language_model.**.{q,v}_proj'] };
  const { reports, folder, result } = await run({ lora });
  expect(reports.at(-1)?.metrics?.accuracy).toBe(1);
  const config = JSON.parse(readFileSync(join(result, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: [expect.stringMatching(/score$/)] });
  const model = await load(join(folder, 'base'), { engine, adapter: result });
  const [one, other] = await rated(model);
  expect(one).not.toBe(other);
  await model.close();
  const merged = join(folder, 'merged');
  await captured(() => merge(join(folder, 'base'), { adapter: result, output: merged, dtype: 'f32' }));
  const whole = await load(merged, { engine });
  const [again, another] = await rated(whole);
  expect(again).toBeCloseTo(one as number, 4);
  expect(another).toBeCloseTo(other as number, 4);
  await whole.close();
});

test('what a reward model rates higher is said more', async () => {
  const { folder, result } = await run({ train: ['language_model.**'], steps: 4 });
  const prompts = [{ prompt: 'Say something.' }, { prompt: 'How many birds?' }];
  writeFileSync(join(folder, 'prompts.jsonl'), jsonLines(prompts));
  const drawn = { kind: 'grpo', reward: result, answers: 6, maxTokens: 8 };
  const lora = { rank: 4, alpha: 8, on: ['language_model.**.{q,v,o}_proj'] };
  const own = stage({ name: 'please', data: 'prompts.jsonl', batch: 2, steps: 12, lora, optimizer, objective: drawn });
  const { reports } = await runIn(folder, own);
  const rewards = reports.map(({ metrics }) => metrics?.reward as number);
  const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
  expect(mean(rewards.slice(-3))).toBeGreaterThan(mean(rewards.slice(0, 3)));
  const before = await rating(result, 'Say something.', 'a tall tree');
  expect(before).toBeCloseTo(
    await rating(result, 'Say something.', 'a tall tree', 'nothing at all, and much of it'),
    4,
  );
});

/** How a reward model rates an answer, also beside others. */
async function rating(folder: string, prompt: string, ...answers: string[]): Promise<number> {
  const { reward, close } = await openReward(folder, { engine });
  const asked = answers.map((answer) => ({ prompt: [{ role: 'user' as const, content: prompt }], answer, record: {} }));
  const [first] = await reward(asked);
  await close();
  return first as number;
}

test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
  [
    'another objective beside it',
    { stages: [pairStage({ train: ['**'] }), stage({ name: 'talk', train: ['**'] })] },
    /stage talk: .*nothing but pairs/,
  ],
  ['the head for words', { stages: [pairStage({ train: ['language_model.lm_head.weight'] })] }, /train: .*lm_head/],
  ['sample answers', { samples: [{ prompt: 'Hi' }], evaluate: { every: 1 } }, /answers no questions/],
])('%s has no place in a run of ratings', async (_, others, message) => {
  const complaint = await run({ train: ['language_model.**'] }, others).then(
    () => 'nothing',
    (error: Error) => error.message,
  );
  expect(complaint).toMatch(message);
});

test('a model that writes is no reward', async () => {
  const { folder } = runFolder({ stages: [] });
  await expect(openReward(join(folder, 'base'), { engine })).rejects.toThrow(/rates no texts.*objective: reward/s);
});

test('a reward model writes nothing', async () => {
  await withModel(name, async (model) => {
    await expect(LanguageSession.open(asSystem(model))).rejects.toThrow(/rates texts and writes none/);
  });
});
