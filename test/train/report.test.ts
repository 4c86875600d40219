/** The report of a run: that its curves are those of the log, and that it says what there is to say. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownProcess, wordOf } from '../../src/machine/process.js';
import { alone, type ProcessGroup } from '../../src/parallel/group.js';
import { QuintetError } from '../../src/tensor/index.js';
import { html } from '../../src/train/report/html.js';
import { report } from '../../src/train/report/index.js';
import { averaged, logTicks, type Point, smoothed, thinned, ticks } from '../../src/train/report/series.js';
import { runFile } from '../../src/train/run.js';
import { readRunLog } from '../../src/train/run-log.js';
import { engine } from '../fixture.js';
import { runFolder, stage } from './runs.js';

const points = (...values: readonly number[]): Point[] => values.map((y, x) => ({ x, y }));
const values = (of: readonly Point[]): number[] => of.map(({ y }) => y);

test('smoothing weighs each value by how long ago it was, and the weights add up to one', () => {
  const own = [5, 1, 4, 2, 8, 0];
  for (const weight of [0.6, 0.97]) {
    const expected = own.map((_, n) => {
      const weights = own.slice(0, n + 1).map((_, i) => weight ** (n - i));
      const total = weights.reduce((sum, own) => sum + own, 0);
      return weights.reduce((sum, share, i) => sum + (share * (own[i] as number)) / total, 0);
    });
    for (const [i, y] of values(smoothed(points(...own), weight)).entries()) expect(y).toBeCloseTo(expected[i] ?? 0, 9);
  }
  expect(values(smoothed(points(...own), 0))).toEqual(own);
  expect(values(smoothed(points(3, 3, 3), 0.9))).toEqual([3, 3, 3]);
});

test('thinning keeps every spike', () => {
  const many = points(
    ...Array.from({ length: 10_000 }, (_, i) => (i === 4321 ? 99 : i === 7777 ? -99 : Math.sin(i / 50))),
  );
  const few = thinned(many, 400);
  expect(few.length).toBeLessThanOrEqual(400);
  expect(Math.max(...values(few))).toBe(99);
  expect(Math.min(...values(few))).toBe(-99);
  expect(few.map(({ x }) => x)).toEqual(few.map(({ x }) => x).toSorted((a, b) => a - b));
});

test('a long curve is smoothed over means of as many stretches as are drawn', () => {
  expect(averaged(points(5, 1, 4, 2), 4)).toEqual(points(5, 1, 4, 2));
  expect(averaged(points(5, 1, 4, 2, 8, 0, 3), 3)).toEqual([
    { x: 0.5, y: 3 },
    { x: 2.5, y: 3 },
    { x: 5, y: 11 / 3 },
  ]);
});

test('axes are marked with round numbers', () => {
  expect(ticks(0, 300, 5)).toEqual([0, 100, 200, 300]);
  expect(ticks(-0.3, 9.1, 4.5)).toEqual([0, 2.5, 5, 7.5]);
  expect(ticks(0.0012, 0.0019, 4)).toEqual([0.0012, 0.0014, 0.0016, 0.0018]);
  expect(logTicks(0.004, 20)).toEqual([0.01, 0.1, 1, 10]);
  expect(logTicks(2, 9)).toEqual([2, 5]);
  expect(logTicks(1e-9, 1e3).length).toBeLessThanOrEqual(5);
});

test('what a run says is text in the page, never a part of it', () => {
  expect(html`<p title="${'"&'}">${'<b>'}${[html`<i>${1}</i>`, "'"]}${false}</p>`.html).toBe(
    '<p title="&quot;&amp;">&lt;b&gt;<i>1</i>&#39;</p>',
  );
});

const clock = () => 1764082800000;
const question = { pictures: ['one.png'], prompt: 'What is <this>?', maxTokens: 3 };

async function trained(settings: Readonly<Record<string, unknown>> = {}) {
  const { file, folder } = runFolder({
    ...{ evaluate: { data: 'chats.jsonl', every: 3 }, samples: [question] },
    stages: [
      stage({ name: 'align', steps: 9, ...settings }),
      stage({ name: 'instruct', train: ['language_model.**'] }),
    ],
  });
  await runFile(file, { engine, clock });
  return { file, folder, run: join(folder, 'out') };
}

/** The numbers that a chart's rough lines run through on its linear scale, by what its marks say. */
function drawn(page: string, title: string): number[] {
  const [, chart = ''] = new RegExp(`<figcaption>${title}.*?</figcaption>(.*?)</figure>`, 's').exec(page) ?? [];
  const [plot = ''] = /<div class="plot linear">.*?<\/svg>/s.exec(chart) ?? [];
  const marks = [...plot.matchAll(/bottom:([\d.]+)%"><b>([-\d.e]+)<\/b>/g)].map(([, at, value]) =>
    [at, value].map(Number),
  );
  const [[low = 0, first = 0] = [], [high = 0, last = 0] = []] = [marks[0], marks.at(-1)];
  return [...plot.matchAll(/class="rough" d="([^"]*)"/g)].flatMap(([, path = '']) =>
    [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(
      ([, y]) => first + ((100 - Number(y) / 10 - low) * (last - first)) / (high - low),
    ),
  );
}

test("the curve of the loss runs through the losses of both stages' logs", async () => {
  const { run } = await trained();
  const logs = await Promise.all(['align', 'instruct'].map((name) => readRunLog(join(run, name, 'log.jsonl'))));
  const losses = logs.flat().flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : []));
  const found = drawn(await report([run]), 'Loss');
  expect(found).toHaveLength(13);
  // A mark's place is told to a thousandth of the height.
  const room = 0.004 * (Math.max(...losses) - Math.min(...losses)) * 1.1;
  for (const [i, loss] of losses.entries())
    expect(Math.abs((found[i] as number) - loss), `loss ${i}`).toBeLessThan(room);
});

test('the page of a run holds all it needs, and what was asked and answered', async () => {
  const { run } = await trained();
  writeFileSync(join(run, 'align/bad-samples.jsonl'), '{"code":"data","message":"chats.jsonl:7: no <answer>"}\n{"mess');
  // Of another process of the run.
  writeFileSync(join(run, 'align/bad-samples.1.jsonl'), '{"code":"data","message":"chats.jsonl:8: no text"}\n');
  const page = await report([run]);
  expect(page).not.toMatch(/<script|<link|https?:|@import|url\(/);
  expect([...page.matchAll(/src="(.{11})/g)].map(([, start]) => start)).toEqual(['data:image/']);
  expect(page).toContain('What is &lt;this&gt;?');
  const { evaluation } = (await readRunLog(join(run, 'instruct/log.jsonl'))).at(-1) as unknown as {
    readonly evaluation: { readonly loss: number; readonly answers: readonly string[] };
  };
  expect(page).toContain(html`<dd>${evaluation.answers[0]}</dd>`.html);
  expect(page).toContain(`>${evaluation.loss.toFixed(4)}</td>`);
  expect(page).toContain('2 of 8 samples could not be used');
  expect(page).toContain('<li>chats.jsonl:7: no &lt;answer&gt;</li>');
  expect(page).toContain('<li>chats.jsonl:8: no text</li>');
  expect(page).toContain('begun 25 November 2025 at 15:00 UTC');
  expect(page).toContain('class="state finished"');
  expect(page).toContain('name: instruct');
});

test('a run at work and one that was stopped are told as they are', async () => {
  const { folder, run } = await trained();
  const record = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...record, result: undefined }));
  appendFileSync(join(run, 'instruct/log.jsonl'), '{"step":5,"lo'); // as it is while a line is written
  rmSync(join(folder, 'one.png'));
  const stopped = await report([run]);
  expect(stopped).toContain('class="state stopped"');
  expect(stopped).toContain('picture not found');

  writeFileSync(join(run, 'instruct/lock'), wordOf(ownProcess()));
  expect(await report([run])).toContain('class="state running"');
  writeFileSync(join(run, 'instruct/lock'), '{"pid":1,"host":"another"}'); // of an earlier version
  expect(await report([run])).toContain('class="state stopped"');

  // Before its first step a run has nothing but its record.
  for (const name of ['align', 'instruct']) rmSync(join(run, name), { recursive: true });
  expect(await report([run])).toContain('<dd>0<small>of 13</small></dd>');
});

test('a run that failed says why, until it goes on', async () => {
  const { file, folder } = runFolder({ stages: [stage({ name: 'align' })] });
  const run = join(folder, 'out');
  const failing = runFile(file, {
    engine,
    onStep: () => {
      throw new Error('the lamp <went> out');
    },
  });
  await expect(failing).rejects.toThrow('the lamp');
  const page = await report([run]);
  expect(page).toContain('class="state failed"');
  expect(page).toContain('<p class="failure">the lamp &lt;went&gt; out</p>');
  await runFile(file, { engine });
  const after = await report([run]);
  expect(after).toContain('class="state finished"');
  expect(after).not.toContain('the lamp');
});

test('a run whose model is written has not failed, though another process has since', async () => {
  const { file, folder } = runFolder({ stages: [stage({ name: 'align' })] });
  const ending: ProcessGroup = {
    ...alone,
    async gather(own) {
      if (typeof own === 'string') throw new QuintetError('network', 'process 1 has ended');
      return [own];
    },
  };
  await expect(runFile(file, { engine, group: ending })).rejects.toThrow('process 1 has ended');
  expect(await report([join(folder, 'out')])).toContain('class="state finished"');
});

test('runs side by side show where their settings differ', async () => {
  const [one, other] = [await trained(), await trained({ optimizer: { lr: 1e-3 } })];
  const page = await report([one.run, other.run]);
  const differing = [...page.matchAll(/<tr class="differs"><th>([^<]*)</g)].map(([, name]) => name);
  expect(differing).toEqual(expect.arrayContaining(['optimizer.lr', 'optimizer.warmup']));
  expect(differing).not.toContain('steps');
  expect(page.match(/class="run1"/g)?.length).toBeGreaterThan(4);
});

test('a folder without a run is refused', async () => {
  const { folder } = runFolder({});
  await expect(report([folder])).rejects.toThrow(/no run\.json: this is no folder of a run/);
});
