/** Run files that learn preferences: from pairs, from ratings, and from rewards of what the model says itself. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runFile } from '../../src/train/run.js';
import type { StepReport } from '../../src/train/train.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const lora = { rank: 4, alpha: 8, on: ['language_model.**.{q,v,o}_proj'] };
const optimizer = { lr: 2e-2, schedule: 'constant' };

/** A run of one stage over the given records; its reports. */
async function run(
  records: readonly object[],
  settings: Settings,
  reward = '',
): Promise<{ reports: StepReport[]; folder: string }> {
  const own = stage({ name: 'prefer', data: 'records.jsonl', batch: 2, steps: 6, lora, optimizer, ...settings });
  const { folder, file } = runFolder({ stages: [own] });
  writeFileSync(join(folder, 'records.jsonl'), jsonLines(records));
  writeFileSync(join(folder, 'reward.ts'), reward);
  const reports: StepReport[] = [];
  await runFile(file, { engine, onStep: (_, report) => reports.push(report) });
  return { reports, folder };
}

const picture = { images: ['one.png'], prompt: '<image>What do you see?' };
const pairs = [
  { ...picture, chosen: 'a tall tree', rejected: 'two birds' },
  { prompt: 'How many birds?', chosen: 'two birds', rejected: 'nothing at all' },
];
const ratings = [
  { ...picture, completion: 'a tall tree', label: true },
  { prompt: 'How many birds?', completion: 'nothing at all', label: false },
  { prompt: 'How many birds?', completion: 'two birds', label: true },
  { ...picture, completion: 'two birds', label: false },
];

/** The metrics of the last step, which the log has too. */
function lastMetrics({ reports, folder }: Awaited<ReturnType<typeof run>>): Record<string, number> {
  const metrics = reports.at(-1)?.metrics ?? {};
  const lines = readFileSync(join(folder, 'out/prefer/log.jsonl'), 'utf8').trim().split('\n');
  expect((JSON.parse(lines.at(-1) as string) as { metrics: unknown }).metrics).toEqual(metrics);
  expect(existsSync(join(folder, 'out/adapter/adapter_model.safetensors'))).toBe(true);
  return metrics;
}

test.each<[string, unknown]>([
  ['dpo', 'dpo'],
  ['ipo', { kind: 'dpo', loss: 'ipo', beta: 0.5 }],
  ['orpo', { kind: 'orpo', beta: 0.5 }],
  ['simpo', 'simpo'],
  ['cpo', { kind: 'cpo', say: 0.5 }],
])('pairs of answers, with pictures and without, are told apart: %s', async (_, objective) => {
  const result = await run(pairs, { objective });
  const { loss: first = 0 } = result.reports[0] ?? {};
  const { loss: last = 0 } = result.reports.at(-1) ?? {};
  expect(last).toBeLessThan(first);
  const metrics = lastMetrics(result);
  expect(metrics['rewards/accuracies']).toBe(1);
  expect(metrics['rewards/margins']).toBeGreaterThan(result.reports[0]?.metrics?.['rewards/margins'] as number);
});

test('the adapter begins as the reference: the first loss of DPO is log 2, whatever the answers', async () => {
  const { reports } = await run(pairs, { objective: 'dpo', steps: 1 });
  expect(reports[0]?.loss).toBeCloseTo(Math.log(2), 5);
  expect(reports[0]?.metrics?.['rewards/margins']).toBeCloseTo(0, 5);
});

test('an adapter that was trained before is part of the reference', async () => {
  const first = stage({ name: 'instruct', steps: 4, lora, optimizer });
  const second = stage({ name: 'prefer', data: 'records.jsonl', objective: 'dpo', steps: 1, lora, optimizer });
  const { folder, file } = runFolder({ stages: [first, second] });
  writeFileSync(join(folder, 'records.jsonl'), jsonLines(pairs));
  const losses: number[] = [];
  await runFile(file, { engine, onStep: ({ name }, { loss }) => name === 'prefer' && losses.push(loss) });
  expect(losses[0]).toBeCloseTo(Math.log(2), 5);
});

test('whole weights learn beside a reference that does not', async () => {
  const { reports } = await run(pairs, { objective: 'dpo', lora: undefined, train: ['language_model.**'] });
  expect(reports[0]?.loss).toBeCloseTo(Math.log(2), 5);
  expect(reports.at(-1)?.loss).toBeLessThan(0.5);
});

test('rated answers are told apart', async () => {
  const result = await run(ratings, {
    objective: { kind: 'kto', undesirable: 1.2 },
    batch: 4,
    microBatch: 3,
    steps: 8,
  });
  const metrics = lastMetrics(result);
  expect(metrics['rewards/chosen']).toBeGreaterThan(metrics['rewards/rejected'] as number);
  expect(result.reports.at(-1)?.loss).toBeLessThan(result.reports[0]?.loss as number);
});

const rewarding = `interface Answer { readonly answer: string; readonly record: { readonly letter: string } }
export default (answers: readonly Answer[]): number[] => answers.map(({ answer, record }) =>
  answer.split(record.letter).length - 1 - 0.01 * answer.length);`;
const prompts = [
  { prompt: 'Say something.', letter: 'e' },
  { ...picture, letter: 'e' },
];
const drawn = { kind: 'grpo', reward: './reward.ts', answers: 6, maxTokens: 8 };

test('what is rewarded is said more, by the model as it learns', async () => {
  const result = await run(prompts, { objective: drawn, steps: 12 }, rewarding);
  const rewards = result.reports.map(({ metrics }) => metrics?.reward as number);
  const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
  expect(mean(rewards.slice(-3))).toBeGreaterThan(mean(rewards.slice(0, 3)) + 0.2);
  expect(lastMetrics(result)['completions/length']).toBeLessThanOrEqual(8);
});

test.each([
  [{ beta: 0.1 }, 4, [2, 4]],
  // In the midst of an iteration the run goes on to its end, or back to its beginning.
  [{ iterations: 2, epsilon: 0.01 }, 5, [1, 3, 5]],
])('answers of a step do not depend on how often the run was stopped: %o', async (own, steps, stops) => {
  const settings = { objective: { ...drawn, ...own }, steps, microBatch: 1, saveEvery: 1 };
  const whole = await run(prompts, settings, rewarding);
  const { folder, file } = runFolder({
    stages: [stage({ name: 'prefer', data: 'records.jsonl', batch: 2, lora, optimizer, ...settings })],
  });
  writeFileSync(join(folder, 'records.jsonl'), jsonLines(prompts));
  writeFileSync(join(folder, 'reward.ts'), rewarding);
  const losses: number[] = [];
  for (const stop of stops) {
    const controller = new AbortController();
    await runFile(file, {
      engine,
      signal: controller.signal,
      onStep: (_, { step, loss }) => {
        losses[step - 1] = loss;
        if (step === stop) controller.abort();
      },
    });
  }
  expect(losses).toEqual(whole.reports.map(({ loss }) => loss));
  const clipped = whole.reports.map(({ metrics }) => metrics?.clip_ratio);
  // The last answers are learnt from as often as the others.
  const later = [0, expect.any(Number), 0, expect.any(Number), 0, expect.any(Number)];
  expect(clipped).toEqual('iterations' in own ? later : clipped.map(() => undefined));
});

test('an epoch learns from all prompts, as often as it has iterations', async () => {
  const settings = { objective: { ...drawn, iterations: 3, maxTokens: 2 }, steps: undefined, epochs: 1, batch: 1 };
  const { reports } = await run(prompts, settings, rewarding);
  expect(reports.length).toBe(6);
});

test('a run that is stopped in an evaluation between two iterations learns on to where it can go on', async () => {
  const own = {
    objective: { ...drawn, iterations: 2, maxTokens: 2 },
    steps: 4,
    saveEvery: 4,
    lora,
    optimizer,
    batch: 2,
  };
  const asked = { evaluate: { every: 1 }, samples: [{ prompt: 'What?', maxTokens: 2 }] };
  const { folder, file } = runFolder({ stages: [stage({ name: 'prefer', data: 'records.jsonl', ...own, ...asked })] });
  writeFileSync(join(folder, 'records.jsonl'), jsonLines(prompts));
  writeFileSync(join(folder, 'reward.ts'), rewarding);
  const controller = new AbortController();
  const onStep = (_: unknown, { step }: StepReport): void => {
    if (step === 1) controller.abort();
  };
  await runFile(file, { engine, signal: controller.signal, onStep });
  expect(existsSync(join(folder, 'out/prefer/checkpoints/step-000002'))).toBe(true);
});

test('a run that fails in the midst of an iteration goes on as if it had not', async () => {
  const settings = { objective: { ...drawn, iterations: 3 }, steps: 6, saveEvery: 2, lora, optimizer };
  const whole = await run(prompts, settings, rewarding);
  const { folder, file } = runFolder({
    stages: [stage({ name: 'prefer', data: 'records.jsonl', batch: 2, ...settings })],
  });
  writeFileSync(join(folder, 'records.jsonl'), jsonLines(prompts));
  writeFileSync(join(folder, 'reward.ts'), rewarding);
  const losses: number[] = [];
  const fail = (_: unknown, { step }: StepReport): void => {
    if (step === 5) throw new Error('the power fails');
  };
  await expect(runFile(file, { engine, onStep: fail })).rejects.toThrow('the power fails');
  await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  expect(losses).toEqual(whole.reports.slice(3).map(({ loss }) => loss));
});

const heldOut = { data: 'records.jsonl' };

const complaint = async (records: readonly object[], settings: Settings, reward?: string): Promise<string> =>
  run(records, settings, reward).then(
    () => 'nothing',
    (error: Error) => error.message,
  );

test.each<[readonly object[], Settings, RegExp, string?]>([
  [
    ratings,
    { objective: 'dpo' },
    /records\.jsonl:\d: expected a chosen and a rejected answer.*prompt or messages, chosen/s,
  ],
  [pairs, { objective: 'kto' }, /expected one answer that is rated.*completion, label/s],
  [pairs, { objective: 'next-token' }, /has answers to compare.*by dpo, kto/s],
  [pairs, { objective: drawn }, /expected a prompt that is not answered yet/, rewarding],
  [ratings, { objective: 'kto', batch: 1 }, /batch: .*at least 2/],
  [ratings, { objective: 'kto', microBatch: 1, evaluate: heldOut }, /evaluate: batch: .*at least 2 in a batch\n.*say/],
  [ratings, { objective: 'kto', evaluate: { ...heldOut, batch: 3 } }, /of 4, the last one would be alone/],
  [prompts, { objective: { ...drawn, reward: './none.mjs' } }, /none\.mjs/],
  [prompts, { objective: drawn }, /reward\.ts: exports no function as its default/, 'export const reward = 3;'],
  [prompts, { objective: drawn }, /reward: the reward gave \[1\] for 12 answers/, 'export default () => [1];'],
  [prompts, { objective: { kind: 'grpo' } }, /objective\.reward: expected a text, got nothing/],
  [pairs, { objective: { kind: 'dpo', losss: 'ipo' } }, /objective: there is no field "losss"; did you mean "loss"\?/],
  [pairs, { objective: { kind: 'dpo', loss: 'ipoo' } }, /loss: expected one of sigmoid, .*got "ipoo"/],
  [pairs, { objective: { kind: 'dpoo' } }, /kind: expected one of next-token, .*got "dpoo"/],
])('%# what does not fit is told', async (records, settings, message, reward) => {
  expect(await complaint(records, settings, reward)).toMatch(message);
});
