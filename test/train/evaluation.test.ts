/** Evaluations in the midst of training: what they say, what follows from them, and that none is lost. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load } from '../../src/model/index.js';
import type { QuintetError } from '../../src/tensor/index.js';
import { bestOf, type Evaluated, evaluationsIn, isDue, isExhausted } from '../../src/train/evaluations.js';
import { type Ended, endingIn } from '../../src/train/log-record.js';
import { report } from '../../src/train/report/index.js';
import { type RunOptions, runFile } from '../../src/train/run.js';
import { readRunLog } from '../../src/train/run-log.js';
import type { FrozenForm } from '../../src/train/step.js';
import { blocksOf } from '../example.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { chats, runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const heldOut = (settings: Settings = {}) => ({ evaluate: { data: 'chats.jsonl', every: 2, ...settings } });
const question = { pictures: ['two.png'], prompt: 'What do you see?', maxTokens: 5 };

/** Samples that contradict those that are learnt from: their loss falls, as for any answers, and soon rises. */
function writeOthers(folder: string): void {
  const others = chats.map(({ messages: [question] }) => ({
    messages: [question, { role: 'assistant', content: 'a small house' }],
  }));
  writeFileSync(join(folder, 'others.jsonl'), jsonLines(others));
}

/** The evaluations of a run of one stage, and its folder. */
async function evaluated(settings: Settings, options: RunOptions = {}) {
  const { file, folder } = runFolder({ stages: [stage({ name: 'align', ...settings })] });
  writeOthers(folder);
  const result = await runFile(file, { engine, ...options });
  const records = await readRunLog(join(folder, 'out/align/log.jsonl'));
  return { file, folder, result, records, evaluations: evaluationsIn(records) };
}

const lossesOf = (evaluations: readonly Evaluated[]): number[] => evaluations.map(({ loss }) => loss as number);

test('the held-out loss is that of a step over the same samples, whatever they are computed together with', async () => {
  const runs = [];
  for (const batch of [1, 3, 4]) runs.push(await evaluated({ batch: 4, ...heldOut({ batch }) }));
  const [one, ...others] = runs.map(({ evaluations }) => lossesOf(evaluations));
  for (const other of others) {
    for (const [i, loss] of other.entries()) expect(loss / (one?.[i] as number)).toBeCloseTo(1, 5);
  }
  // The optimiser warms up: the first step is on all samples, and moves nothing.
  const { records, evaluations } = runs[0] as (typeof runs)[number];
  const first = records.find(({ step, evaluation }) => step === 1 && !evaluation) as unknown as Evaluated;
  expect((evaluations[0]?.loss as number) / (first.loss as number)).toBeCloseTo(1, 5);
  expect(evaluations[0]?.targets).toBe(first.targets);
  expect(evaluations.map(({ step }) => step)).toEqual([0, 2, 4]);
});

test('the held-out loss is that of the step over weights in four bits, which is not that over f32', async () => {
  const lossesOver = async (frozen: FrozenForm) => {
    const { records, evaluations } = await evaluated({
      ...{ batch: 4, steps: 2, frozen, lora: { rank: 2, on: ['language_model.**.q_proj'] }, ...heldOut() },
    });
    const first = records.find(({ step, evaluation }) => step === 1 && !evaluation) as unknown as Evaluated;
    return { step: first.loss as number, heldOut: evaluations[0]?.loss as number };
  };
  const [held, whole] = [await lossesOver('nf4'), await lossesOver('f32')];
  expect(held.heldOut / held.step).toBeCloseTo(1, 6);
  expect(Math.abs(held.step / whole.step - 1)).toBeGreaterThan(1e-5);
});

test('the last answers are those of the model that is saved', async () => {
  const { folder, evaluations } = await evaluated({
    ...{ train: ['language_model.**'], optimizer: { lr: 3e-2 }, steps: 5 },
    ...{ evaluate: { every: 4 }, samples: [question, { prompt: 'How many birds?', maxTokens: 4 }] },
  });
  expect(evaluations.map(({ step, loss }) => [step, loss])).toEqual([0, 4, 5].map((step) => [step, undefined]));
  const chat = await Chat.open(asSystem(await load(join(folder, 'out/model'), { engine })));
  onTestFinished(async () => {
    await chat.close();
    await chat.model.close();
  });
  const ask = async (text: string, pictures: readonly string[], maxTokens: number) =>
    chat.answer(
      {
        messages: [
          { role: 'user', content: [...pictures.map(() => ({ type: 'image' as const })), { type: 'text', text }] },
        ],
        pictures: await Promise.all(pictures.map((name) => loadPicture(join(folder, name)))),
      },
      { maxTokens, temperature: 0 },
    );
  const last = evaluations.at(-1)?.answers;
  expect(last).toEqual([await ask('What do you see?', ['two.png'], 5), await ask('How many birds?', [], 4)]);
  expect(last).not.toEqual(evaluations[0]?.answers);
});

test('with keepBest the model is the one with the lowest held-out loss, whose checkpoint stays', async () => {
  const settings = { train: ['language_model.**'], steps: 12, saveEvery: 2, optimizer: { lr: 0.1 } };
  const kept = await evaluated({ ...settings, ...heldOut({ data: 'others.jsonl' }), keepBest: true });
  const best = bestOf(kept.evaluations) as Evaluated;
  expect(best.step).toBeLessThan(8);
  expect(endingIn(kept.records)).toEqual({ step: 12, of: 12, early: false, best: best.step });
  const names = readdirSync(join(kept.folder, 'out/align/checkpoints')).sort();
  expect(names).toEqual([best.step, 10, 12].map((step) => `step-${String(step).padStart(6, '0')}`));

  const again = runFolder({
    model: join(kept.folder, 'out/model'),
    ...heldOut({ data: 'others.jsonl' }),
    stages: [stage({ name: 'align', steps: 2 })],
  });
  writeOthers(again.folder);
  await runFile(again.file, { engine });
  const [start] = evaluationsIn(await readRunLog(join(again.folder, 'out/align/log.jsonl')));
  expect((start?.loss as number) / (best.loss as number)).toBeCloseTo(1, 5);

  // A run that has ended says the same when it is given again.
  const saved = readFileSync(join(kept.folder, 'out/model/model.safetensors'));
  await runFile(kept.file, { engine });
  expect(readFileSync(join(kept.folder, 'out/model/model.safetensors')).equals(saved)).toBe(true);
});

test('early stopping ends a stage after so many evaluations that were no better, also when the run goes on', async () => {
  const settings = { train: ['language_model.**'], steps: 40, optimizer: { lr: 0.1 } };
  const stopping = { ...heldOut({ data: 'others.jsonl' }), earlyStopping: { patience: 2 } };
  const { file, folder, result, evaluations } = await evaluated({ ...settings, ...stopping });
  expect(result).toMatchObject({ stopped: false, folder: join(folder, 'out/model') });
  const best = bestOf(evaluations) as Evaluated;
  expect(evaluations.at(-1)?.step).toBe(best.step + 4);
  const steps: number[] = [];
  const told: Ended[] = [];
  await runFile(file, { engine, onStep: (_, { step }) => steps.push(step), onEnd: (_, ended) => told.push(ended) });
  expect(steps).toEqual([]);
  // It says so again, and the log has it once.
  expect(told).toEqual([{ step: best.step + 4, of: 40, early: true }]);
  const records = await readRunLog(join(folder, 'out/align/log.jsonl'));
  expect(records.filter(({ ended }) => ended)).toEqual([{ step: best.step + 4, ended: { of: 40, early: true } }]);
  expect(await report([join(folder, 'out')])).toContain('of 40; stopped early');
  // What goes on after all has not ended there.
  expect(endingIn([...records, { step: best.step + 5, loss: 1 }])).toBeUndefined();
});

test('an evaluation that a signal ends is made when the run goes on', async () => {
  const settings = { ...heldOut(), samples: [question] };
  const whole = await evaluated(settings);
  const controller = new AbortController();
  // The engine's own run is what the signal ends: of the evaluation after step 2.
  const stopping = {
    ...engine,
    createSession: async (...args: Parameters<typeof engine.createSession>) => {
      const session = await engine.createSession(...args);
      if (args[0].name === 'loss' && reached) controller.abort();
      return session;
    },
  };
  let reached = false;
  const { file, folder } = runFolder({ stages: [stage({ name: 'align', ...settings })] });
  const onStep: RunOptions['onStep'] = (_, { step }) => {
    reached = step === 2;
  };
  expect(await runFile(file, { engine: stopping, onStep, signal: controller.signal })).toEqual({ stopped: true });
  const log = join(folder, 'out/align/log.jsonl');
  expect(evaluationsIn(await readRunLog(log)).map(({ step }) => step)).toEqual([0]);
  expect(existsSync(join(folder, 'out/align/checkpoints/step-000002'))).toBe(true);
  await runFile(file, { engine });
  expect(evaluationsIn(await readRunLog(log))).toEqual(whole.evaluations);
});

const of = (...losses: readonly number[]): Evaluated[] => losses.map((loss, i) => ({ step: 10 * i, loss }));

test('what is best, and when it is enough', () => {
  expect([0, 5, 10, 12].map((step) => isDue(step, { every: 5, steps: 12 }))).toEqual([true, true, true, true]);
  expect(isDue(7, { every: 5, steps: 12 })).toBe(false);
  expect(bestOf(of(3, 1, 2, 1))?.step).toBe(10);
  const patient = (patience: number, least: number, ...losses: readonly number[]) =>
    isExhausted(of(...losses), { patience, least });
  expect(patient(2, 0, 3, 2, 2, 2)).toBe(true);
  expect(patient(2, 0, 3, 2, 2.5, 1.9)).toBe(false);
  expect(patient(2, 0.2, 3, 2, 1.9, 1.81)).toBe(true); // better, but not by enough
  expect(patient(2, 0.2, 3, 2, 1.9, 1.79)).toBe(false); // by enough together
  expect(patient(1, 0)).toBe(false);
});

test("the page's example is a run", async () => {
  const page = readFileSync(new URL('../../docs/run-files.md', import.meta.url), 'utf8');
  const example = blocksOf(page, 'yaml').find((block) => block.startsWith('evaluate:')) as string;
  const { file, folder } = runFolder({ stages: [stage({ name: 'align' })] });
  mkdirSync(join(folder, 'data'));
  for (const [from, to] of [
    ['chats.jsonl', 'held-out.jsonl'],
    ['one.png', 'cat.png'],
  ] as const) {
    cpSync(join(folder, from), join(folder, 'data', to));
  }
  for (const name of ['one.png', 'two.png', 'grey.png']) cpSync(join(folder, name), join(folder, 'data', name));
  writeFileSync(file, readFileSync(file, 'utf8') + example);
  const found: Evaluated[] = [];
  await runFile(file, { engine, onEvaluation: (_, evaluation) => found.push(evaluation) });
  expect(found.map(({ step, loss, answers }) => [step, typeof loss, answers?.length])).toEqual([
    [0, 'number', 2],
    [4, 'number', 2],
  ]);
});

test.each<[Settings, RegExp]>([
  [{ evaluate: { evry: 3 } }, /evaluate: there is no field "evry"; did you mean "every"\?/],
  [{ evaluate: { every: 10 } }, /there is nothing to evaluate/],
  [{ evaluate: { data: 'none.jsonl' } }, /none\.jsonl: /],
  [{ evaluate: { data: 'chats.jsonl', every: 0 } }, /every: expected a whole number from 1 on, got 0/],
  [{ samples: [{ prompt: 'Who?', pictures: ['gone.png'] }] }, /gone\.png: no such picture/],
  [{ samples: [{ pictures: ['one.png'] }] }, /samples\[0\].*prompt: expected a text/],
  [{ keepBest: true }, /keepBest: what is best is known by held-out samples only/],
  [{ ...heldOut(), earlyStopping: { patience: 0 } }, /patience: expected a whole number from 1 on/],
  [{ ...heldOut(), earlyStopping: { patience: 1, least: -1 } }, /least: expected a number from 0 on, got -1/],
])('%j is refused before the first step', async (settings, message) => {
  for (const place of ['run', 'stage']) {
    const own = place === 'stage' ? settings : {};
    const { file } = runFolder({ ...(place === 'run' ? settings : {}), stages: [stage({ name: 'align', ...own })] });
    const error = await runFile(file, { engine }).catch((error: QuintetError) => error);
    expect((error as Error).message).toMatch(message);
  }
});
