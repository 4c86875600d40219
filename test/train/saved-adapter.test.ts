/** A run that begins with an adapter which another run has written: it goes on from what that one has learnt. */
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readTensors } from '../../src/checkpoint/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { givePictureAdapter } from '../model/pictured.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const on = ['language_model.**.{q,v}_proj'];
const lora = { kind: 'lora', rank: 2, on };
const evaluate = { data: 'chats.jsonl', every: 100 };
const pairs = ['tree', 'bird'].map((word) => ({ prompt: `Say ${word}`, chosen: word, rejected: `no ${word}` }));

/** A folder in which a run has written an adapter, into `out/adapter`. */
async function taught(settings: Settings) {
  const first = stage({ name: 'first', steps: 3, optimizer: { lr: 0.05 }, ...settings });
  const run = runFolder({ evaluate, stages: [first] });
  await runFile(run.file, { engine });
  return run;
}

/** Another run in the folder, whose stages begin with that adapter unless they say another. */
async function next(folder: string, stages: readonly Settings[], settings: Settings = {}) {
  const file = join(folder, 'next.yaml');
  const own = stages.map((each, i) =>
    stage({ name: `next-${i}`, adapter: './out/adapter', steps: 1, optimizer: { lr: 1e-12 }, ...each }),
  );
  writeFileSync(file, stringify({ model: './base', output: 'next', seed: 9, evaluate, stages: own, ...settings }));
  const losses: number[] = [];
  await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  return losses;
}

const evaluations = (folder: string, output: string, name: string): number[] =>
  readFileSync(join(folder, output, name, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => JSON.parse(line).evaluation?.loss ?? []);

async function adapterIn(folder: string) {
  const values = await readTensors(join(folder, 'adapter/adapter_model.safetensors'));
  return new Map(Object.entries(values).map(([name, value]) => [name, toNumbers(value as HostArray)]));
}

test.each<[Settings]>([
  [{ ...lora, bias: 'adapted' }],
  [{ kind: 'lora', rank: 2, alpha: 3, rankStabilised: true, on: ['**.{embed_tokens,patch_embedding}'] }],
  [{ kind: 'dora', rank: 2, on: ['**.{q_proj,patch_embedding}'] }],
  [{ kind: 'adalora', rank: 3, on }],
  [{ kind: 'vera', rank: 4, on }],
  [{ kind: 'loha', rank: 2, on }],
  [{ kind: 'lokr', rank: 2, on }],
  [{ kind: 'hra', rank: 2, on }],
  [{ kind: 'oft', block: 6, on }],
  [{ kind: 'ia3', on: ['language_model.**.{k_proj,down_proj}'], inputs: ['**.down_proj'] }],
  [{ kind: 'biases', on }],
  [{ kind: 'layers', on: ['language_model.**.input_layernorm'] }],
  [{ kind: 'bottleneck', width: 3, on: ['language_model.**.{o_proj,down_proj}'] }],
  [{ kind: 'prompt', count: 3 }],
  [{ kind: 'p-tuning', count: 3, hidden: 5 }],
  [{ kind: 'prefix', count: 3, hidden: 5 }],
  [{ kind: 'llama-adapter', count: 3, layers: 1 }],
  [{ kind: 'words', table: '**.embed_tokens', ids: Array.from({ length: 90 }, (_, id) => id) }],
])('an adapter %j is as it was before the first step, learns, and is written with all that it had', async (adapter) => {
  const { folder } = await taught({ train: ['multi_modal_projector.**'], adapter });
  await next(folder, [{ optimizer: { lr: 0.05 }, steps: 3 }]);
  const [before, after] = [evaluations(folder, 'out', 'first'), evaluations(folder, 'next', 'next-0')];
  expect(after[0]).toBeCloseTo(before.at(-1) as number, 5);
  expect(after.at(-1)).toBeLessThan(after[0] as number);
  const [had, has] = [await adapterIn(join(folder, 'out')), await adapterIn(join(folder, 'next'))];
  expect([...has.keys()].sort()).toEqual([...had.keys()].sort());
  const projector = [...had].filter(([name]) => name.includes('multi_modal_projector'));
  expect(projector).toHaveLength(4);
  for (const [name, numbers] of projector) expect(has.get(name), name).toEqual(numbers);
});

test('ranks that were cut stay so, and what is left learns', async () => {
  const { folder } = await taught({ adapter: { kind: 'adalora', rank: 3, on, cuts: { rank: 1 } } });
  await next(folder, [{ optimizer: { lr: 0.05 }, steps: 3 }]);
  const [had, has] = [await adapterIn(join(folder, 'out')), await adapterIn(join(folder, 'next'))];
  // A layer of which nothing is left is left out.
  const left = [...had].filter(([, numbers]) => numbers.length > 0);
  expect([...has.keys()].sort()).toEqual(left.map(([name]) => name).sort());
  for (const [name, numbers] of left) {
    expect(has.get(name)).toHaveLength(numbers.length);
    expect(has.get(name)).not.toEqual(numbers);
  }
  const ranksIn = (output: string): number[] =>
    Object.values<boolean[]>(
      JSON.parse(readFileSync(join(folder, output, 'adapter/adapter_config.json'), 'utf8')).rank_pattern,
    ).flatMap((own) => own.filter(Boolean).length || []);
  expect(ranksIn('next')).toEqual(ranksIn('out'));
});

test.each<[Settings]>([[lora], [{ kind: 'prompt', count: 3 }]])(
  'what %j has learnt belongs to the reference: the first loss of DPO is log 2',
  async (adapter) => {
    const { folder } = await taught({ adapter, optimizer: { lr: 0.3 } });
    writeFileSync(join(folder, 'pairs.jsonl'), jsonLines(pairs));
    const prefer = { data: 'pairs.jsonl', objective: 'dpo', optimizer: { lr: 0.05 }, steps: 4 };
    const losses = await next(folder, [{}, prefer], { evaluate: undefined });
    expect(losses[1]).toBeCloseTo(Math.log(2), 5);
    expect(losses.at(-1)).toBeLessThan(0.6);
  },
);

test.each<[Settings]>([[{ kind: 'prompt', count: 8 }], [{ kind: 'prefix', count: 8 }]])(
  'an adapter %j that begins in a later stage is no part of the reference',
  async (adapter) => {
    const { folder, file } = runFolder({});
    writeFileSync(join(folder, 'pairs.jsonl'), jsonLines(pairs));
    // By its seed and its number a stage draws what it begins with.
    const first = async (seed: number, before: readonly Settings[]): Promise<number | undefined> => {
      const prefer = stage({
        name: 'prefer',
        data: 'pairs.jsonl',
        objective: 'dpo',
        adapter,
        steps: 1,
        optimizer: { lr: 1e-3 },
      });
      const stages = [...before, prefer];
      writeFileSync(file, stringify({ model: './base', output: `seed-${seed}`, seed, stages }));
      const losses: number[] = [];
      await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
      return losses.at(-1);
    };
    const alone = await first(9, []);
    expect(Math.abs((alone as number) - Math.log(2))).toBeGreaterThan(1e-3);
    const later = await first(8, [stage({ name: 'teach', train: ['**'], steps: 1, optimizer: { lr: 1e-12 } })]);
    expect(later).toBeCloseTo(alone as number, 5);
  },
);

test('the run goes on wherever its adapter lies, and not with another', async () => {
  const { folder } = await taught({ adapter: lora });
  const trial = { steps: 2, optimizer: { lr: 1e-3 } };
  await next(folder, [trial]);
  renameSync(join(folder, 'out/adapter'), join(folder, 'moved'));
  expect(await next(folder, [{ ...trial, adapter: './moved', steps: 3 }])).toHaveLength(1);
  const file = join(folder, 'moved/adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...config, lora_alpha: 1 }));
  const again = next(folder, [{ ...trial, adapter: './moved', steps: 3 }]);
  await expect(again).rejects.toThrow(/another run: `adapter.settings.alpha` was 4 and is now 1\n/);
  writeFileSync(file, JSON.stringify(config));
  cpSync(join(folder, 'next/adapter'), join(folder, 'moved'), { recursive: true });
  await expect(next(folder, [{ ...trial, adapter: './moved', steps: 3 }])).rejects.toThrow(
    /another run: the adapter that it begins with had learnt something else\n/,
  );
});

test('it takes the place of the one that a model comes with, as `chat --adapter` has it', async () => {
  const run = runFolder({ evaluate, stages: [stage({ name: 'first', adapter: 'own', optimizer: { lr: 0.05 } })] });
  await givePictureAdapter(join(run.folder, 'base'));
  await runFile(run.file, { engine });
  await next(run.folder, [{}]);
  const [before, after] = [evaluations(run.folder, 'out', 'first'), evaluations(run.folder, 'next', 'next-0')];
  expect(after[0]).toBeCloseTo(before.at(-1) as number, 5);
  expect(after[0]).not.toBeCloseTo(before[0] as number, 2);
});

test('an adapter that a run cannot begin with is refused before its first step', async () => {
  const { folder } = await taught({ adapter: lora });
  await expect(next(folder, [{ adapter: './nothing' }])).rejects.toThrow(
    /next\.yaml: stage next-0: adapter: \S*nothing\/adapter_config\.json: no such file/,
  );
  await expect(next(folder, [{}], { fresh: true })).rejects.toThrow(
    /next\.yaml: stage next-0: adapter: .* `fresh` begins with others/,
  );
  const late = next(folder, [{ adapter: undefined, train: ['**'] }, {}]);
  await expect(late).rejects.toThrow(/stage next-0: .*takes part in all of its stages/);
  await expect(next(folder, [{}, { adapter: lora }])).rejects.toThrow(/next-1: .*need the same settings/);
  const file = join(folder, 'out/adapter/adapter_config.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('CAUSAL_LM', 'SEQ_CLS'));
  await expect(next(folder, [{}])).rejects.toThrow(
    /next\.yaml: stage next-0: adapter: .*adapter of a reward model.*\n.*objective: reward/,
  );
});

test('a reward model goes on learning by its adapter, with the head that it has', async () => {
  const rate = { data: 'pairs.jsonl', objective: 'reward', steps: 6 };
  const { folder, file } = runFolder({
    stages: [stage({ name: 'first', ...rate, adapter: lora, optimizer: { lr: 0.05 } })],
  });
  writeFileSync(join(folder, 'pairs.jsonl'), jsonLines(pairs));
  const losses: number[] = [];
  await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  const [first] = await next(folder, [rate], { evaluate: undefined });
  expect(first).toBeLessThan(losses.at(-1) as number);
});
