/** Every field that a run file may have stands in docs/run-files.md. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { adapterKinds, loraScale } from '../../../src/system/index.js';
import { fields } from '../../../src/tensor/index.js';
import { runOf, startOf } from '../../../src/train/run-file.js';
import { rateFactor } from '../../../src/train/schedule.js';
import { adapterOf } from '../../../src/train/settings/adapter.js';
import { sourcesOf } from '../../../src/train/settings/data.js';
import { evaluationOf } from '../../../src/train/settings/evaluation.js';
import { objectiveOf } from '../../../src/train/settings/objective.js';
import { optimizerOf } from '../../../src/train/settings/optimizer.js';

const page = readFileSync(new URL('../../../docs/run-files.md', import.meta.url), 'utf8');
const section = (name: string): string => new RegExp(`^## ${name}\n(.*?)^## `, 'ms').exec(page)?.[1] ?? '';

type Settings = Readonly<Record<string, unknown>>;
type Read = (file: Settings) => unknown;

const complaint = (read: () => unknown): string => {
  try {
    read();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};
/** A field that is nowhere: whoever meets it lists those that are. */
const unknown = { nowhere: 1 };
const known = (read: () => unknown): string[] => /fields: (.*)/.exec(complaint(read))?.[1]?.split(', ') ?? [];
const choices = (read: () => unknown): string[] =>
  /expected one of (.*), got/.exec(complaint(read))?.[1]?.split(', ') ?? [];

const objective: Read = (own) => objectiveOf(fields({ objective: own }, 'page'), '/');
const optimizer: Read = (own) => optimizerOf(fields(own, 'page'), undefined);
const adapter: Read = (own) => adapterOf(fields({ adapter: own }, 'page'));
const evaluation: Read = (own) => evaluationOf(fields({}, 'page'), fields(own, 'page'), '/');
const run = { model: './base', output: 'out' };
const rate = { lr: 1 };

type Place = readonly [name: string, text: string, read: () => unknown];

const schedule = (kind: string, own: Settings) => optimizer({ ...rate, schedule: { kind, ...own } });
/** Without which some kinds of schedules are refused first. */
const needed = { decay: 0.1, every: 1 };

const places: readonly Place[] = [
  ['a run', page, () => startOf(fields({ ...run, ...unknown }, 'page'), 'run.yaml')],
  ['a stage', page, () => runOf(fields({ ...run, stages: [unknown] }, 'page'), 'run.yaml', { stages: [] })],
  ['data', section('Data'), () => sourcesOf(fields({ data: [unknown] }, 'page'), '/')],
  ['evaluate', section('Evaluation'), () => evaluation({ evaluate: unknown })],
  ['samples', section('Evaluation'), () => evaluation({ samples: [unknown] })],
  ['earlyStopping', section('Evaluation'), () => evaluation({ earlyStopping: unknown })],
  ...choices(() => objective({ kind: '' })).map((kind): Place => {
    return [`objective ${kind}`, section('Objectives'), () => objective({ kind, ...unknown })];
  }),
  ...adapterKinds.map((kind): Place => {
    return [`adapter ${kind}`, section('Adapters'), () => adapter({ kind, ...unknown })];
  }),
  ['cuts', section('Adapters'), () => adapter({ kind: 'adalora', rank: 1, on: ['x'], cuts: unknown })],
  ...choices(() => optimizer({ kind: '' })).map((kind): Place => {
    return [`optimizer ${kind}`, section('Optimisers'), () => optimizer({ kind, ...unknown })];
  }),
  ['groups', section('Optimisers'), () => optimizer({ ...rate, groups: [unknown] })],
  ['average', section('Optimisers'), () => optimizer({ ...rate, average: unknown })],
  ['rest', section('Optimisers'), () => optimizer({ ...rate, kind: 'muon', rest: unknown })],
  ...choices(() => optimizer({ ...rate, schedule: '' })).map((kind): Place => {
    return [`schedule ${kind}`, section('Optimisers'), () => schedule(kind, { ...needed, ...unknown })];
  }),
];

test('all kinds are looked at', () => {
  expect(places.length).toBeGreaterThan(60);
});

test.each(places)('every field of %s stands in the page', (_, text, read) => {
  const names = known(read);
  expect(names.length).toBeGreaterThan(0);
  const missing = names.filter((name) => !new RegExp(`\`${name}\`|\`${name}\\[|\\b${name}:`).test(text));
  expect(missing).toEqual([]);
});

test('what the page sets beside PEFT and TRL is what a run file has that says nothing', () => {
  const text = section('Beside PEFT and TRL');
  expect(text).toContain('twice the rank, so that what they add counts twice');
  expect(loraScale({ rank: 4 })).toBe(2);
  expect(text).toMatch(/The rate is constant;.*Weight decay is 0/s);
  const own = optimizerOf(fields(rate, 'page'), undefined);
  expect([0, 5, 9].map((step) => rateFactor(own, step, 10))).toEqual([1, 1, 1]);
  expect(own.decay ?? 0).toBe(0);
});
