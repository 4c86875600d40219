/** AdaLoRA's cuts of ranks against PEFT's, and through run files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTensors } from '../../src/checkpoint/index.js';
import { layeredWeights, load, type Model, readAdapter, traceNetwork, writeAdapter } from '../../src/model/index.js';
import { type AdapterSettings, adamw, adapterOf, declarationsOf, nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { type BatchSource, type StepReport, train } from '../../src/train/train.js';
import { engine, fixtureJson, fixturePath, fixtureTensors } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { batchesOf, rows, same, sameCurves, sameNumbers } from './fixture.js';
import { runFolder, stage } from './runs.js';

const name = 'train-adalora';

interface Settings {
  readonly train: Readonly<
    Record<'steps' | 'lr' | 'eps' | 'weight_decay' | 'max_grad_norm' | 'warmup_steps', number>
  > & { readonly betas: [number, number] };
  readonly adalora: Readonly<
    Record<
      'init_r' | 'target_r' | 'lora_alpha' | 'tinit' | 'tfinal' | 'deltaT' | 'beta1' | 'beta2' | 'total_step',
      number
    >
  > & { readonly orth_reg_weight: number };
}
const { train: recipe, adalora: asked } = fixtureJson(name).settings as Settings;

const settings: AdapterSettings = {
  ...{ kind: 'adalora', on: ['**.{q_proj,v_proj,down_proj}'], rank: asked.init_r, alpha: asked.lora_alpha },
  orthogonality: asked.orth_reg_weight,
  cuts: {
    ...{ rank: asked.target_r, steps: asked.total_step, warmup: asked.tinit, rest: asked.tfinal },
    ...{ every: asked.deltaT, betas: [asked.beta1, asked.beta2] },
  },
};

async function open(adapter?: string): Promise<Model> {
  const model = await load(`${fixturePath(name)}/model`, { engine, ...(adapter ? { adapter } : {}) });
  onTestFinished(() => model.close());
  return model;
}

/** The fixture's run, to its end or until a step is done, in a folder. */
async function run(base: Model, { folder = temporaryFolder(), until = recipe.steps } = {}) {
  const { values: first } = await readAdapter(`${fixturePath(name)}/adapter-before`, base.network, base.declarations);
  const adapter = adapterOf([settings]);
  const model: Model = { ...base, adapt: adapter.adapt, weights: layeredWeights(base.weights, first) };
  const reports: StepReport[] = [];
  const stop = new AbortController();
  const { penalty, pruning } = adapter;
  if (!penalty || !pruning) throw new Error('AdaLoRA has both');
  const data = batchesOf(await fixtureTensors(name, 'inputs'));
  /** Before each step but the first. */
  const singular: number[] = [];
  const take: BatchSource['take'] = async (step, now) => {
    const { weights } = await (now as () => Promise<Model>)();
    const names = [...declarationsOf(base.network, adapter.adapt).values()].filter((own) =>
      own.name.endsWith('lora_E'),
    );
    const sorted = names.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const own of sorted) if (step > 0) singular.push(...toNumbers(await weights.read(own)));
    return data.take(step);
  };
  const result = await train(model, {
    ...{ objective: nextToken(), train: adapter.parameters, steps: recipe.steps, folder, signal: stop.signal },
    ...{ penalty, pruning, data: { ...data, onPolicy: true, take } },
    optimizer: adamw({
      ...{ lr: recipe.lr, betas: recipe.betas, eps: recipe.eps, decay: recipe.weight_decay },
      ...{ clip: recipe.max_grad_norm, warmup: { steps: recipe.warmup_steps }, schedule: 'cosine' },
    }),
    onStep(report) {
      reports.push(report);
      if (report.step === until) stop.abort();
    },
  });
  return { reports, result, folder, singular };
}

test('losses, norms, cuts and what is learnt are those of PEFT', async () => {
  const expected = await fixtureTensors(name, 'expected');
  const base = await open();
  const { reports, result, singular } = await run(base);
  sameCurves(reports, expected);
  const wantedValues = toNumbers(expected.singular_values as HostArray).slice(0, singular.length);
  expect(singular.length).toBe(25 * 6 * 4);
  expect(singular.map((value) => value === 0)).toEqual(wantedValues.map((value) => value === 0));
  sameNumbers(singular, hostArray('f32', [singular.length], wantedValues), 'singular values');
  const finals = Object.keys(expected).filter((key) => key.startsWith('final.'));
  expect(finals.length).toBe(18);
  for (const key of finals) same(result.values[key.slice('final.base_model.model.'.length)], expected[key], key);

  const folder = temporaryFolder();
  await writeAdapter(folder, { ...base, base: 'model' }, [settings], new Map(Object.entries(result.values)));
  const theirs = `${fixturePath(name)}/adapter-after`;
  const read = (at: string) => JSON.parse(readFileSync(join(at, 'adapter_config.json'), 'utf8'));
  const fields = ['init_r', 'target_r', 'lora_alpha', 'tinit', 'tfinal', 'deltaT', 'beta1', 'beta2', 'total_step'];
  for (const field of [...fields, 'orth_reg_weight', 'rank_pattern']) {
    expect(read(folder)[field], field).toEqual(read(theirs)[field]);
  }
  const [mine, wanted] = await Promise.all(
    [folder, theirs].map((at) => readTensors(join(at, 'adapter_model.safetensors'))),
  );
  expect(Object.keys(mine ?? {}).sort()).toEqual(Object.keys(wanted ?? {}).sort());
  for (const [key, value] of Object.entries(wanted ?? {})) same(mine?.[key], value, key);
  for (const at of [folder, theirs]) {
    const { input_ids, attention_mask } = await fixtureTensors(name, 'inputs');
    const first = (array: HostArray | undefined): HostArray => {
      const { dtype, shape, data } = rows(array as HostArray, [0]);
      return { dtype, shape: shape.slice(1), data };
    };
    const given = { input_ids: first(input_ids), attention_mask: first(attention_mask) };
    const { logits } = await traceNetwork(await open(at), given, { want: ['logits'] });
    const mask = toNumbers(given.attention_mask);
    const real = (array: HostArray): number[] => {
      const width = array.shape.at(-1) as number;
      return toNumbers(array).filter((_, i) => mask[Math.floor(i / width)] === 1);
    };
    const found = real(logits as HostArray);
    const answer = real(expected.final_logits as HostArray);
    same(hostArray('f32', [found.length], found), hostArray('f32', [answer.length], answer), `logits of ${at}`);
  }
});

test('a run that is stopped between cuts, or after them, ends with the same bits', async () => {
  const base = await open();
  const { result: whole } = await run(base);
  for (const until of [10, 21]) {
    const { folder, result } = await run(base, { until });
    expect(result.stopped).toBe(true);
    const again = await run(base, { folder });
    expect(again.reports.length).toBe(recipe.steps - until);
    expect(again.result.values).toEqual(whole.values);
  }
});

test('a run file cuts ranks, and its adapter has what is left', async () => {
  const cuts = { rank: 2, warmup: 2, rest: 1, every: 3 };
  // The loss does not reach the vision tower's last layer.
  const adapter = { kind: 'adalora', rank: 4, alpha: 8, on: ['**.{q,v}_proj'], cuts };
  const stages = [stage({ name: 'instruct', train: [], adapter, steps: 9, optimizer: { lr: 0.05 } })];
  const { folder, file } = runFolder({ stages });
  const written = (await runFile(file, { engine })).folder as string;
  const config = JSON.parse(readFileSync(join(written, 'adapter_config.json'), 'utf8'));
  expect(config).toMatchObject({
    init_r: 4,
    target_r: 2,
    total_step: 9,
    tinit: 2,
    tfinal: 1,
    deltaT: 3,
    lora_alpha: 8,
  });
  const patterns = Object.values(config.rank_pattern as Record<string, boolean[]>);
  expect(patterns.every((own) => own.length === 4)).toBe(true);
  expect(patterns.flat().filter(Boolean).length).toBe(2 * patterns.length);
  const base = await load(join(folder, 'base'), { engine });
  onTestFinished(() => base.close());
  const { settings: read, values } = await readAdapter(written, base.network, base.declarations);
  expect(read.every((own) => own.kind === 'adalora' && own.initial === 4)).toBe(true);
  const ranks = [...values].filter(([key]) => key.endsWith('lora_E')).map(([, { shape }]) => shape[0] as number);
  expect(ranks.reduce((sum, rank) => sum + rank, 0)).toBe(2 * patterns.length);
  // A trial has room for no such warm-up.
  await runFile(file, { engine, steps: 2, output: join(folder, 'trial') });
});

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ rank: 4 }, /adapter\.cuts\.rank: ranks begin with 4/],
  [{ rank: 2, warmup: 3, rest: 1 }, /adapter\.cuts\.warmup: 3 steps before the cuts and 1 after leave none of 4/],
  [{ rank: 2, betas: [0.5] }, /adapter\.cuts\.betas: expected two numbers/],
  [{ rank: 2, every: 0 }, /adapter\.cuts\.every: expected a whole number from 1 on/],
  [{ rank: 2, evry: 2 }, /there is no field "evry"; did you mean "every"/],
])('cuts %j are refused with what is wrong', async (cuts, message) => {
  const adapter = { kind: 'adalora', rank: 4, on: ['language_model.**.q_proj'], cuts };
  const { file } = runFolder({ stages: [stage({ name: 'instruct', train: [], adapter })] });
  await expect(runFile(file, { engine })).rejects.toThrow(message);
});

test('ranks are not cut over two stages', async () => {
  const adapter = { kind: 'adalora', rank: 4, on: ['language_model.**.q_proj'], cuts: { rank: 2 } };
  const stages = ['one', 'two'].map((own) => stage({ name: own, train: [], adapter }));
  await expect(runFile(runFolder({ stages }).file, { engine })).rejects.toThrow(
    /stage two: ranks are cut over one stage/,
  );
});
