/** What a run that is started again goes on from: not from what was begun with another model, or other stages before. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { resultsOfOther } from '../../src/train/earlier-results.js';
import { lockFolder } from '../../src/train/folder-lock.js';
import { type RunOptions, runFile } from '../../src/train/index.js';
import type { RunFile } from '../../src/train/run-file.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFolder } from '../temporary.js';
import { logOf, weightsOf } from './alike.js';
import { runFolder, stage } from './runs.js';

const optimizer = { lr: 3e-3 };
const stages = [
  stage({ name: 'align', optimizer, train: ['multi_modal_projector.**'] }),
  stage({ name: 'instruct', optimizer, train: ['multi_modal_projector.**', 'language_model.**'] }),
];

/** Runs a file; what it told, and which steps of which stages it did. */
async function ran(file: string, options: RunOptions = {}) {
  const [notices, steps]: [string[], string[]] = [[], []];
  const onStep: RunOptions['onStep'] = ({ name }, { step }) => steps.push(`${name} ${step}`);
  await runFile(file, { engine, onStep, onNotice: ({ message }) => notices.push(message), ...options });
  return { notices, steps };
}

test('after a trial a later stage begins anew with what the earlier one has learnt since, and keeps what it had', async () => {
  const [whole, tried] = [runFolder({ stages }), runFolder({ stages })];
  await ran(whole.file);
  await ran(tried.file, { steps: 2 });
  const out = join(tried.folder, 'out/instruct');
  const log = readFileSync(join(out, 'log.jsonl'), 'utf8');
  const { notices, steps } = await ran(tried.file);
  expect(steps).toEqual(['align 3', 'align 4', ...[1, 2, 3, 4].map((step) => `instruct ${step}`)]);
  expect(notices).toEqual([
    expect.stringContaining('align/checkpoints/step-000002: after 2 steps of 2, the run is now to have 4'),
    `${out}: what the stages before give is not what its 2 steps began with: it begins anew\n  Its checkpoints and log so far are in ${out}/checkpoints.1`,
  ]);
  expect(await weightsOf(tried.folder)).toEqual(await weightsOf(whole.folder));
  expect(logOf(tried.folder, 'instruct')).toEqual(logOf(whole.folder, 'instruct'));
  expect(readdirSync(join(out, 'checkpoints.1')).sort()).toEqual(['log.jsonl', 'step-000002']);
  expect(readFileSync(join(out, 'checkpoints.1/log.jsonl'), 'utf8')).toBe(log);
  // What is over is not begun again.
  expect(await ran(tried.file)).toEqual({ notices: [], steps: [] });
});

/** Makes the checkpoints of a stage those of a version that said less of them. */
function forget(folder: string, ...keys: string[]): void {
  for (const name of readdirSync(folder)) {
    const [stateFile, manifestFile] = ['state.json', 'manifest.json'].map((file) => join(folder, name, file)) as [
      string,
      string,
    ];
    const state = JSON.parse(readFileSync(stateFile, 'utf8')) as Record<string, unknown>;
    for (const key of keys) {
      expect(state).toHaveProperty(key);
      delete state[key];
    }
    const text = JSON.stringify(state);
    writeFileSync(stateFile, text);
    const manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as { files: Record<string, unknown> };
    const sha256 = createHash('sha256').update(text).digest('hex');
    manifest.files['state.json'] = { bytes: Buffer.byteLength(text), sha256 };
    writeFileSync(manifestFile, JSON.stringify(manifest));
  }
}

test('a checkpoint that does not say what it began with is gone on from', async () => {
  const { file, folder } = runFolder({ stages });
  await ran(file, { steps: 2 });
  forget(join(folder, 'out/instruct/checkpoints'), 'earlier', 'model');
  const { steps } = await ran(file);
  expect(steps).toEqual(['align 3', 'align 4', 'instruct 3', 'instruct 4']);
});

test('a run goes on over the model that it began with, wherever that lies, and not over another of the same shape', async () => {
  const { file, folder } = runFolder({ stages: stages.slice(0, 1) });
  await ran(file, { steps: 2 });
  cpSync(join(folder, 'base'), join(folder, 'other'), { recursive: true });
  const weights = join(folder, 'other/model.safetensors');
  const bytes = readFileSync(weights);
  bytes.writeFloatLE(0.5, statSync(weights).size - 4);
  writeFileSync(weights, bytes);
  renameSync(join(folder, 'base'), join(folder, 'moved'));
  const text = readFileSync(file, 'utf8');
  const over = (name: string) => {
    writeFileSync(file, text.replace('./base', `./${name}`));
    return ran(file);
  };
  await expect(over('other')).rejects.toThrow(
    /step-000002: the checkpoint is of another run: the model's weights were others\n {2}give another folder/,
  );
  writeFileSync(
    file,
    text.replace('./base', './moved').replace('batch: 2', 'batch: 3').replace('lr: 0.003', 'lr: 0.001'),
  );
  await expect(ran(file)).rejects.toThrow(
    'another run: `optimizer.lr` was 0.003 and is now 0.001; `batch` was 2 and is now 3\n',
  );
  expect((await over('moved')).steps).toEqual(['align 3', 'align 4']);
});

test('checkpoints that cannot be read, or are gone, are told with what the run goes on from, and nothing of them is lost', async () => {
  const { file, folder } = runFolder({ stages: stages.slice(0, 1) });
  const out = join(folder, 'out/align');
  const spoil = (name: string) => truncateSync(join(out, 'checkpoints', name, 'values.bin'), 100);
  await ran(file, { steps: 2 });
  await ran(file, { steps: 3 });
  spoil('step-000003');
  const damaged = expect.stringMatching(
    /step-000003\/values\.bin: 100 bytes that are not .*\n {2}It goes on from step 2$/,
  );
  expect(await ran(file, { steps: 3 })).toEqual({
    notices: [damaged, expect.stringContaining('after 2 steps of 2')],
    steps: ['align 3'],
  });
  for (const name of readdirSync(join(out, 'checkpoints'))) spoil(name);
  const log = readFileSync(join(out, 'log.jsonl'), 'utf8');
  const spoilt = await ran(file);
  expect(spoilt.notices.at(-1)).toBe(
    `${out}: none of its checkpoints can be read: it begins anew\n  Its checkpoints and log so far are in ${out}/checkpoints.1`,
  );
  expect(spoilt.steps[0]).toBe('align 1');
  expect(readFileSync(join(out, 'checkpoints.1/log.jsonl'), 'utf8')).toBe(log);
  expect(readdirSync(join(out, 'checkpoints.1'))).toContain('step-000002');
  rmSync(join(out, 'checkpoints'), { recursive: true });
  expect((await ran(file)).notices).toEqual([
    `${out}: its log has 4 steps, of which there is no checkpoint: it begins anew\n  Its checkpoints and log so far are in ${out}/checkpoints.2`,
  ]);
});

test('what a run of other stages has written is put aside with its record, and not mixed with what this one writes', async () => {
  const { file, folder } = runFolder({ fresh: true, stages: [] });
  const out = join(folder, 'out');
  const here = { output: relative(process.cwd(), out) };
  const write = (...own: object[]) => writeFileSync(file, stringify({ ...begun, stages: own }));
  const begun = { model: './base', output: 'out', fresh: true };
  const adapted = stage({ name: 'adapt', steps: 1, optimizer, lora: { rank: 2, on: ['language_model.**.q_proj'] } });
  const config = (place: string): unknown =>
    (JSON.parse(readFileSync(join(place, 'adapter/adapter_config.json'), 'utf8')) as Record<string, unknown>)
      .base_model_name_or_path;
  write(adapted);
  await ran(file, here);
  expect(readdirSync(out).sort()).toEqual(['adapt', 'adapter', 'model', 'run.json']);
  expect(config(out)).toBe(join(out, 'model'));
  write(stage({ name: 'align', steps: 1, optimizer, train: ['multi_modal_projector.**'] }));
  const aside = `${out}: what is written there is of a run of other stages: adapt\n  It is put aside in ${out}/results.1`;
  expect(await ran(file, here)).toEqual({ notices: [aside], steps: ['align 1'] });
  expect(readdirSync(out).sort()).toEqual(['adapt', 'align', 'model', 'results.1', 'run.json']);
  expect(readdirSync(join(out, 'results.1')).sort()).toEqual(['adapter', 'model', 'run.json']);
  expect(config(join(out, 'results.1'))).toBe(join(out, 'results.1/model'));
  expect(await ran(file, here)).toEqual({ notices: [], steps: [] });
  // The first run goes on from its own checkpoints.
  write(adapted);
  const again = await ran(file, here);
  expect(again).toEqual({ notices: [expect.stringContaining(`${out}/results.2`)], steps: [] });
  writeFileSync(file, stringify({ model: './out/model', output: 'out', stages: [{ ...adapted, name: 'more' }] }));
  await expect(ran(file, here)).rejects.toThrow(`${out}: the model that it begins with is the result of another run`);
  expect(readdirSync(out)).toContain('model');
});

test('what a stage that is over has learnt from may be gone when the run goes on', async () => {
  const chat = { messages: ['user', 'assistant'].map((role) => ({ role, content: 'a tree' })) };
  const [align, instruct] = [
    { ...stages[0], evaluate: { data: 'chats.jsonl', every: 100 } },
    { ...stages[1], data: 'texts.jsonl' },
  ];
  const { file, folder } = runFolder({ stages: [align, instruct] });
  writeFileSync(join(folder, 'texts.jsonl'), jsonLines([chat, chat]));
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = ({ name }, { step }) => name === 'instruct' && step === 2 && controller.abort();
  await runFile(file, { engine, onStep, signal: controller.signal });
  for (const name of readdirSync(folder)) if (name.endsWith('.png')) rmSync(join(folder, name));
  expect(await ran(file)).toEqual({ notices: [], steps: ['instruct 3', 'instruct 4'] });
  rmSync(join(folder, 'out/instruct'), { recursive: true });
  rmSync(join(folder, 'out/align'), { recursive: true });
  await expect(ran(file)).rejects.toThrow('none of 4 samples');
});

const [brief, further] = ['align', 'instruct'].map((name) =>
  stage({ name, steps: 1, optimizer, train: ['multi_modal_projector.**'] }),
);
const begin = { model: './base', output: 'out', seed: 3 };

test('a run that is refused leaves the results of another one, and its record, where they are', async () => {
  const { file, folder } = runFolder({ stages: [brief] });
  const out = join(folder, 'out');
  await ran(file);
  const [names, record] = [readdirSync(out), readFileSync(join(out, 'run.json'), 'utf8')];
  const isAsBefore = () => {
    expect(readdirSync(out)).toEqual(names);
    expect(readFileSync(join(out, 'run.json'), 'utf8')).toBe(record);
  };
  writeFileSync(file, stringify({ ...begin, stages: [{ ...brief, optimizer: { lr: 1e-3 } }, further] }));
  await expect(ran(file)).rejects.toThrow('`optimizer.lr` was 0.003 and is now 0.001');
  isAsBefore();
  writeFileSync(file, stringify({ ...begin, stages: [brief, further] }));
  const lock = await lockFolder(join(out, 'align'));
  await expect(ran(file)).rejects.toThrow('is working in this folder');
  await lock.release();
  isAsBefore();
  expect((await ran(file)).notices).toEqual([expect.stringContaining('a run of other stages: align')]);
  expect(readFileSync(join(out, 'results.1/run.json'), 'utf8')).toBe(record);
});

test('results that no record tells of are put aside', async () => {
  const { file, folder } = runFolder({ stages: [brief] });
  const out = join(folder, 'out');
  await ran(file);
  writeFileSync(join(out, 'run.json'), '{"format": 1, "fil');
  const unknown = (aside: string) =>
    `${out}: what is written there is of a run that no record tells of\n  It is put aside in ${join(out, aside)}`;
  expect((await ran(file)).notices).toEqual([expect.stringContaining('run.json'), unknown('results.1')]);
  expect(readdirSync(join(out, 'results.1')).sort()).toEqual(['model', 'run.json']);
  rmSync(join(out, 'run.json'));
  expect((await ran(file)).notices).toEqual([unknown('results.2')]);
  expect(readdirSync(join(out, 'results.2'))).toEqual(['model']);
  expect(await ran(file)).toEqual({ notices: [], steps: [] });
});

test.each<[string, object]>([
  ['the adapter that stage more begins with', { adapter: { kind: 'saved', from: '' } }],
  ['the adapter that stage more begins with', { adapter: { kind: 'saved', from: 'adapter' } }],
  ['the reward of stage more', { form: { kind: 'prompts', reward: 'model' } }],
  ['the teacher of stage more', { form: { kind: 'chats', teacher: 'model' } }],
])('%s is not put aside', async (what, asked) => {
  const output = temporaryFolder();
  for (const name of ['model', 'adapter']) mkdirSync(join(output, name));
  const within = JSON.parse(JSON.stringify(asked), (key, value) =>
    ['from', 'reward', 'teacher'].includes(key) ? join(output, value) : value,
  ) as object;
  const run = (other: object) =>
    ({ model: 'of/hub', output, stages: [{ name: 'more', form: { kind: 'chats' }, ...other }] }) as unknown as RunFile;
  await expect(resultsOfOther(run(within), undefined)).rejects.toThrow(
    `${output}: ${what} is the result of another run`,
  );
  expect(await resultsOfOther(run({}), undefined)).toEqual(['model', 'adapter']);
});
