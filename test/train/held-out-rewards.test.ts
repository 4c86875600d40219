/** Evaluations of what draws its answers itself: rewards on prompts that are not learnt from, by which a stage ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Engine } from '../../src/runtime/engine.js';
import { bestOf, type Evaluated, evaluationsIn, isExhausted } from '../../src/train/evaluations.js';
import { endingIn } from '../../src/train/log-record.js';
import { report } from '../../src/train/report/index.js';
import { type RunOptions, runFile } from '../../src/train/run.js';
import { readRunLog } from '../../src/train/run-log.js';
import type { StepReport } from '../../src/train/train.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const prompts = [
  { images: ['one.png'], prompt: '<image>What do you see?' },
  { prompt: 'How many birds?' },
  { prompt: 'Say something.' },
];

/** Long answers are good; those to prompts that say so are good if short. What is rewarded is written down. */
const reward = `import { appendFileSync } from 'node:fs';
export default (answers) => answers.map(({ answer, record }) => {
  const worth = (record.short ? -1 : 1) * answer.length;
  appendFileSync(new URL(record.short ? 'held-out.txt' : 'learnt.txt', import.meta.url), worth + '\\n');
  return worth;
});
`;

async function trained(settings: Settings & { readonly evaluate?: Settings | false }, options: RunOptions = {}) {
  const objective = { kind: 'grpo', reward: './reward.mjs', answers: 3, maxTokens: 4 };
  const { evaluate = {}, ...others } = settings;
  const heldOut = evaluate ? { evaluate: { data: 'held-out.jsonl', every: 2, ...evaluate } } : {};
  const optimizer = { lr: 3e-2, schedule: 'constant' };
  const own = { name: 'draw', data: 'prompts.jsonl', batch: 2, steps: 4, train: ['language_model.**'], objective };
  const { folder, file } = runFolder({ stages: [stage({ ...own, optimizer, ...others, ...heldOut })] });
  writeFileSync(join(folder, 'prompts.jsonl'), jsonLines(prompts));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonLines(prompts.map((prompt) => ({ ...prompt, short: true }))));
  writeFileSync(join(folder, 'reward.mjs'), reward);
  await runFile(file, { engine, ...options });
  const records = await readRunLog(join(folder, 'out/draw/log.jsonl'));
  return { folder, records, evaluations: evaluationsIn(records) };
}

/** What a reward wrote down of answers, `count` at a time. */
function written(folder: string, name: string, count: number): number[][] {
  const all = readFileSync(join(folder, name), 'utf8').trim().split('\n').map(Number);
  return Array.from({ length: all.length / count }, (_, i) => all.slice(count * i, count * (i + 1)));
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const rewardsOf = (evaluations: readonly Evaluated[]): number[] =>
  evaluations.map(({ metrics }) => metrics?.reward as number);

test('held-out prompts are answered as often as others, and the mean reward is logged, without a loss', async () => {
  const { folder, evaluations, records } = await trained({ samples: [{ prompt: 'Hi', maxTokens: 2 }] });
  expect(evaluations.map(({ step, loss, answers }) => [step, loss, answers?.length])).toEqual(
    [0, 2, 4].map((step) => [step, undefined, 1]),
  );
  const all = written(folder, 'held-out.txt', 9);
  expect(all).toHaveLength(3);
  for (const [i, own] of all.entries()) expect(rewardsOf(evaluations)[i]).toBeCloseTo(meanOf(own), 4);
  // Of each step the spread is that of all its answers, as of a sample.
  const steps = records.filter(({ loss }) => loss !== undefined);
  for (const [i, own] of written(folder, 'learnt.txt', 6).entries()) {
    const squares = own.map((x) => (x - meanOf(own)) ** 2);
    const { reward: mean, reward_std: spread } = (steps[i] as unknown as Required<StepReport>).metrics;
    expect(mean).toBeCloseTo(meanOf(own), 4);
    expect(spread).toBeCloseTo(Math.sqrt((meanOf(squares) * 6) / 5), 4);
  }
  const page = await report([join(folder, 'out')]);
  expect(page).toContain('Held-out reward');
  const card = readFileSync(join(folder, 'out/model/README.md'), 'utf8');
  expect(card).toMatch(/\| stage \| step \| reward \| metrics \|/);
  expect(card).toMatch(/\| draw \| 4 \| \*\*-[\d.]+\*\* \| reward/);
});

test('the same values draw the same answers, whatever they are drawn together with, and learn the same', async () => {
  const still = { optimizer: { lr: 1e-20 }, steps: 2 };
  const runs = [];
  for (const batch of [1, 2, 3]) runs.push(await trained({ ...still, evaluate: { batch } }));
  const [first, ...others] = runs.map(({ folder }) => written(folder, 'held-out.txt', 9));
  expect(new Set(first?.flat()).size).toBeGreaterThan(1);
  expect(first).toEqual([first?.[0], first?.[0]]);
  for (const other of others) expect(other).toEqual(first);
  const losses = runs.map(({ records }) => records.flatMap(({ loss }) => (loss === undefined ? [] : [loss])));
  expect(losses).toEqual([losses[0], losses[0], losses[0]]);
});

test('with keepBest the values of the highest held-out reward are kept, and early stopping goes by it', async () => {
  const settings = { steps: 20, saveEvery: 2, keepBest: true, earlyStopping: { patience: 3 } };
  const { evaluations, records } = await trained(settings);
  const rewards = rewardsOf(evaluations);
  const highest = Math.max(...rewards);
  const best = evaluations[rewards.indexOf(highest)];
  expect(bestOf(evaluations)).toBe(best);
  expect(rewards.at(-1)).toBeLessThan(highest);
  const { step, early, best: kept } = endingIn(records) ?? {};
  expect([early, kept]).toEqual([true, best?.step]);
  expect(step).toBe((best?.step as number) + 6);
  expect(isExhausted(evaluations, { patience: 3, least: 0 })).toBe(true);
  expect(isExhausted(evaluations.slice(0, -1), { patience: 3, least: 0 })).toBe(false);
});

test('who stops a run does not wait until held-out prompts are answered', async () => {
  const controller = new AbortController();
  const { folder } = await trained({}, { signal: controller.signal, onStage: () => controller.abort() });
  expect(existsSync(join(folder, 'held-out.txt'))).toBe(false);
});

test('between two evaluations nothing is open for them', async () => {
  const openAfterSteps = async (evaluate: Settings | false): Promise<readonly number[]> => {
    const open = new Set<unknown>();
    const counting: Engine = {
      ...engine,
      async createSession(...args) {
        const session = await engine.createSession(...args);
        open.add(session);
        const close = session.close.bind(session);
        return Object.assign(session, {
          close(): Promise<void> {
            open.delete(session);
            return close();
          },
        });
      },
    };
    const counts: number[] = [];
    await trained({ evaluate, steps: 3 }, { engine: counting, onStep: () => counts.push(open.size) });
    expect(open.size).toBe(0);
    return counts;
  };
  expect(await openAfterSteps({ every: 1 })).toEqual(await openAfterSteps(false));
});
