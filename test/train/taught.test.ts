/** Run files that learn what a teacher says. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { initialise, load } from '../../src/model/index.js';
import { gpt2 } from '../../src/parts/backbones/gpt2.js';
import { adamw, distil, slot, system } from '../../src/system/index.js';
import { type HostArray, hostArray, zerosArray } from '../../src/tensor/index.js';
import { type Estimate, type Evaluated, runFile, train } from '../../src/train/index.js';
import { engine, fixturePath } from '../fixture.js';
import { runFolder, stage } from './runs.js';
import { logOf, stoppedAndResumed } from './small-runs.js';

const teach = (settings: object = {}, others: object = {}) =>
  stage({
    ...{ name: 'learn', train: ['**'], batch: 4, optimizer: { lr: 1e-2 } },
    objective: { kind: 'distil', teacher: './base', ...settings },
    ...others,
  });
const steps = (folder: string) => logOf(folder, 'learn').filter(({ loss }) => loss !== undefined);
const metrics = (folder: string, name: string): number[] =>
  steps(folder).map((line) => (line.metrics as Record<string, number>)[name] as number);

test('a fresh student comes near its teacher, goes on where it was stopped, and is loaded again', async () => {
  const { folder, file } = runFolder({
    fresh: true,
    stages: [teach({ temperature: 2 }, { steps: 30, saveEvery: 10 })],
  });
  const { whole, resumed } = await stoppedAndResumed(file, { engine });
  expect(resumed).toEqual(whole);
  const far = metrics(folder, 'loss/teacher');
  expect(far.at(-1)).toBeLessThan(0.3 * (far[0] as number));
  await (await load(join(folder, 'out/model'), { engine })).close();
});

test('who is the teacher has nothing to learn from it, whatever pictures and micro-batches, and is held to labels besides', async () => {
  const own = teach({ weight: 0.5 }, { steps: 1, microBatch: 3 });
  const { folder, file } = runFolder({ stages: [own], evaluate: { data: 'chats.jsonl', every: 1 } });
  await runFile(file, { engine });
  expect(Math.abs(metrics(folder, 'loss/teacher')[0] as number)).toBeLessThan(1e-6);
  const words = metrics(folder, 'loss/words')[0] as number;
  expect(steps(folder)[0]?.loss).toBeCloseTo(words / 2, 5);
  const [before] = logOf(folder, 'learn').flatMap(({ evaluation }) => (evaluation ? [evaluation as Evaluated] : []));
  expect(before?.metrics?.['loss/words']).toBeCloseTo(words, 4);
});

test('what the teacher takes is in the estimate, and in what a limit of memory allows', async () => {
  const estimateOf = async (objective: object, settings: object = {}): Promise<number> => {
    const told: number[] = [];
    const { file } = runFolder({ stages: [stage({ name: 'learn', train: ['**'], objective, steps: 2, ...settings })] });
    await runFile(file, { engine, memory: () => 0, onEstimate: (_, { estimated }) => told.push(estimated.memory) });
    return told[0] as number;
  };
  const alone = await estimateOf({ kind: 'next-token' });
  const distil = { kind: 'distil', teacher: './base' };
  // The model is tiny: what its second session takes is nearly all of it what every session does.
  const beside = ((await estimateOf(distil)) - alone) / 2 ** 20;
  expect(beside).toBeGreaterThan(20);
  expect(beside).toBeLessThan(30);
  const limit = { memory: `${Math.round(alone / 1e6) + 10}MB` };
  expect(await estimateOf({ kind: 'next-token' }, limit)).toBeLessThan(1.01 * alone);
  await expect(estimateOf(distil, limit)).rejects.toThrow(/the least that is expected/);
});

test('what a batch holds is traced once for a stage, however many micro-batches a step has', async () => {
  const backbone = gpt2({ width: 16, depth: 1, heads: 2, vocab: 40, context: 8 });
  const model = await initialise(system({ name: 'gpt', backbone: slot(backbone, { prefix: '' }) }), { engine });
  onTestFinished(() => model.close());
  const [ids, ones] = [hostArray('i64', [1, 4], [5, 6, 7, 8]), hostArray('i64', [1, 4], [1, 1, 1, 1])];
  const teacher_logits = zerosArray('f32', [1, 4, 40]);
  const batch = { input_ids: ids, attention_mask: ones, labels: ids, teacher_logits };
  const traces = async (count: number): Promise<number> => {
    let traced = 0;
    const { network } = model;
    const forward: typeof network.forward = (...given) => {
      traced++;
      return network.forward(...given);
    };
    const told: Estimate[] = [];
    await train(
      { ...model, network: { ...network, forward } },
      {
        ...{ objective: distil(), train: ['**'], optimizer: adamw({ lr: 1e-3 }), steps: 2 },
        ...{ memory: () => 0, onEstimate: (estimate) => told.push(estimate) },
        data: { fields: Object.keys(batch), accumulates: count > 1, take: async () => Array(count).fill(batch) },
      },
    );
    expect(told.length).toBeGreaterThan(0);
    return traced;
  };
  const once = await traces(1);
  expect(once).toBeGreaterThan(0);
  expect(await traces(7)).toBe(once);
});

test('a teacher of a hub is found as the model is', async () => {
  const { file } = runFolder({ stages: [teach({ teacher: 'org/teacher' })] });
  const asked: string[] = [];
  const hub = {
    ...{ endpoint: 'http://127.0.0.1', cache: join(file, '..', 'hub') },
    fetch: async (address: string | URL | Request): Promise<Response> => {
      asked.push(String(address));
      return new Response(null, { status: 404 });
    },
  };
  await expect(runFile(file, { engine, hub: { ...hub, offline: true } })).rejects.toThrow(/org\/teacher/);
  expect(asked).toEqual([]);
  await expect(runFile(file, { engine, hub: { ...hub, offline: false } })).rejects.toThrow(/org\/teacher/);
  expect(asked[0]).toMatch(/^http:\/\/127\.0\.0\.1\/.*org\/teacher/);
});

test('a teacher of other words, or one that sees no pictures, is refused before the first step', async () => {
  const other = runFolder({ stages: [teach({ teacher: './teacher' })] });
  cpSync(`${fixturePath('opt')}/model`, join(other.folder, 'teacher'), { recursive: true });
  await expect(runFile(other.file, { engine })).rejects.toThrow(/speaks with other words/);
  const { folder, file } = runFolder({ stages: [teach({ teacher: './teacher' })] });
  cpSync(join(folder, 'base'), join(folder, 'teacher'), { recursive: true });
  const config = join(folder, 'teacher/config.json');
  const { text_config: text } = JSON.parse(readFileSync(config, 'utf8'));
  writeFileSync(config, JSON.stringify({ ...text, architectures: ['LlamaForCausalLM'], model_type: 'llama' }));
  const prefix = 'language_model.';
  const tensors = Object.entries(await readTensors(join(folder, 'base/model.safetensors')));
  const words = tensors.flatMap(([name, array]): [string, HostArray][] =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : [],
  );
  await writeSafetensors(join(folder, 'teacher/model.safetensors'), words);
  await expect(runFile(file, { engine })).rejects.toThrow(/the teacher, llama, takes no pixel_values/);
});
