/**
 * Adapters of every kind against PEFT, bottlenecks against PyTorch: scores, losses, gradients and answers; written, read
 * again, and merged.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readTensors } from '../../src/checkpoint/index.js';
import {
  asSystem,
  continueGreedily,
  type LoadedAdapter,
  load,
  type Model,
  readAdapter,
  saveModel,
  traceNetwork,
  withAdapter,
  writeAdapter,
} from '../../src/model/index.js';
import { keyOf } from '../../src/model/peft/names.js';
import { type HostArrays, nextToken } from '../../src/system/index.js';
import { concatRows, type HostArray, hostArray, toNumbers, zerosArray } from '../../src/tensor/index.js';
import { compileStep } from '../../src/train/step.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { temporaryFolder } from '../temporary.js';

const names = ['adapters', 'adapters-convolution', 'adapters-tied'];
const kindsIn = (name: string): string[] => readdirSync(`${fixturePath(name)}/adapters`).sort();
const kinds = names.flatMap((name) => kindsIn(name).map((kind) => [kind, name] as const));

interface Opened {
  readonly base: Model;
  readonly inputs: Record<string, HostArray>;
  readonly expected: Record<string, HostArray>;
}
const opened = new Map<string, Opened>();

beforeAll(async () => {
  for (const name of names) {
    const base = await load(`${fixturePath(name)}/model`, { engine });
    const [inputs, expected] = [await fixtureTensors(name, 'inputs'), await fixtureTensors(name, 'expected')];
    opened.set(name, { base, inputs, expected });
  }
});
afterAll(async () => {
  for (const { base } of opened.values()) await base.close();
});

const folderOf = (name: string, kind: string): string => `${fixturePath(name)}/adapters/${kind}`;

function same(found: HostArray | undefined, wanted: HostArray | undefined, what: string, rtol = 5e-5): void {
  if (!found || !wanted) throw new Error(`no ${what}`);
  expectClose(found, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, { rtol, atol: 0 });
}

/** Near other scores, but for those of tokens that are padding. */
function sameScores(found: HostArray, wanted: HostArray | undefined, { inputs }: Opened): void {
  if (!wanted) throw new Error('no scores');
  const data = toNumbers(wanted);
  const [rows, length, width] = wanted.shape as [number, number, number];
  const mask = toNumbers(inputs.attention_mask as HostArray);
  const real = mask.length / rows;
  for (let i = 0; i < rows * real; i++) {
    const at = Math.floor(i / real) * length + (length - real) + (i % real);
    if (!mask[i]) data.fill(Number.NaN, at * width, (at + 1) * width);
  }
  expectClose(found, { shape: wanted.shape as number[], data }, 'scores', { rtol: 5e-5, atol: 0 });
}

async function logitsOf(model: Model, { inputs }: Opened): Promise<HostArray> {
  const { labels: _, ...given } = inputs;
  return (await traceNetwork(model, given, { want: ['logits'] })).logits as HostArray;
}

/** The mean loss and its gradients by the adapter's parameters. */
async function slopesOf(model: Model, { adapter: { parameters: train, penalty } }: LoadedAdapter, { inputs }: Opened) {
  const options = { objective: nextToken(), train, fields: Object.keys(inputs), ...(penalty ? { penalty } : {}) };
  const step = await compileStep(model, options);
  onTestFinished(() => step.close());
  const values: Record<string, HostArray> = {};
  for (const declared of step.trained) values[declared.name] = await model.weights.read(declared);
  const into = Object.fromEntries(step.trained.map((own) => [own.name, zerosArray('f32', own.shape)]));
  const [known] = (await step.foresee([inputs], values)) as [Record<string, HostArray>];
  const { total, targets } = await step.run(known, values, into);
  const mean = ({ shape, data }: HostArray) =>
    hostArray(
      'f32',
      shape,
      toNumbers({ dtype: 'f32', shape, data }).map((x) => x / targets),
    );
  return {
    loss: total / targets,
    slopes: Object.fromEntries(Object.entries(into).map(([key, own]) => [key, mean(own)])),
  };
}

/** Gradients by the keys of PEFT's files: words that learn are one tensor there. */
function byKey(slopes: HostArrays, { base }: Opened): Record<string, HostArray> {
  const words = Object.entries(slopes).filter(([own]) => own.includes('['));
  const others = Object.entries(slopes).map(([own, slope]) => [keyOf(own, base), slope] as const);
  const table = words[0]?.[0].replace(/weight\[.*$/, 'trainable_tokens_delta') ?? '';
  return {
    ...Object.fromEntries(others),
    ...(words.length > 0 ? { [keyOf(table, base)]: concatRows(words.map(([, slope]) => slope)) } : {}),
  };
}

/** Rows of words in the order of their ids. PEFT was given the highest first in `adapters-tied`. */
function byRow(rows: HostArray, key: string): HostArray {
  if (!/(?:wte|lm_head)\.(?:token_adapter\.)?trainable_tokens_delta$/.test(key)) return rows;
  const width = rows.shape[1] as number;
  const numbers = toNumbers(rows);
  return hostArray('f32', rows.shape, [...numbers.slice(width), ...numbers.slice(0, width)]);
}

test('the fixtures have adapters of all kinds that PEFT writes, bottlenecks, adapted convolutions, and a tied head', () => {
  expect(names.map((name) => kindsIn(name).length)).toEqual([24, 3, 7]);
});

describe.each(kinds)('%s in %s', (kind, name) => {
  const folder = folderOf(name, kind);
  const given = (): Opened => opened.get(name) as Opened;
  const open = (): Promise<LoadedAdapter> => readAdapter(folder, given().base.network, given().base.declarations);

  test('gives the scores, the loss and the gradients that PEFT gives', async () => {
    const loaded = await open();
    const { base, expected } = given();
    const model = withAdapter(base, loaded);
    sameScores(await logitsOf(model, given()), expected[`${kind}.logits`], given());
    const { loss, slopes } = await slopesOf(model, loaded, given());
    same(hostArray('f32', [], [loss]), expected[`${kind}.loss`], 'loss');
    const found = byKey(slopes, given());
    const start = `${kind}.grad/`;
    const wanted = Object.entries(expected).filter(([key]) => key.startsWith(start));
    expect(wanted.length).toBeGreaterThan(0);
    for (const [key, slope] of wanted) {
      const own = key.slice(start.length);
      const plain = own.replace(/\.(?:base_layer|ln_tuning_layers|token_adapter)\./, '.');
      // Modules to save are no part of the adapter.
      if (/(?:lm_head|wte)\.weight$/.test(own)) continue;
      same(found[own] ?? found[plain], byRow(slope, own), own, 2e-4);
    }
  });

  test('answers with a cache as PEFT does', async () => {
    const { base, inputs, expected } = given();
    const wanted = expected[`${kind}.sequences`];
    const others = [...kindsIn('adapters-convolution'), ...kindsIn('adapters-tied')];
    if (!wanted) return expect(['llama-adapter', ...others]).toContain(kind);
    const model = asSystem(withAdapter(base, await open()));
    const length = (inputs.input_ids as HostArray).shape[1] as number;
    const first = toNumbers(inputs.input_ids as HostArray).slice(0, length);
    const ones = first.map(() => 1);
    const prompt = {
      input_ids: hostArray('i64', [1, length], first),
      attention_mask: hostArray('i64', [1, length], ones),
    };
    const found = await continueGreedily(model, prompt, (wanted.shape[1] as number) - length);
    expect(toNumbers(found)).toEqual(toNumbers(wanted));
  });

  test('is the same when it is written and read again', async () => {
    const [loaded, { base }] = [await open(), given()];
    const to = temporaryFolder();
    await writeAdapter(to, { ...base, base: 'model' }, loaded.settings, loaded.values);
    const again = withAdapter(base, await readAdapter(to, base.network, base.declarations));
    const plain = await logitsOf(withAdapter(base, loaded), given());
    expect(toNumbers(await logitsOf(again, given()))).toEqual(toNumbers(plain));
    const [mine, theirs] = [await tensorsIn(to), await tensorsIn(folder)];
    for (const [key, value] of Object.entries(mine)) {
      const own = theirs[key] ?? theirs[key.replace('embed_tokens.weight', 'embed_tokens.base_layer.weight')];
      expect(toNumbers(value), key).toEqual(toNumbers(byRow(own as HostArray, key)));
    }
    expect(Object.keys(mine).length).toBe(Object.keys(theirs).length);
    expect(configIn(to).peft_type).toBe(kind === 'p-tuning' ? 'PROMPT_TUNING' : configIn(folder).peft_type);
  });

  test('merged into the weights gives the same scores, or says that it cannot be', async () => {
    const loaded = await open();
    const to = temporaryFolder();
    const saving = saveModel(given().base, to, { merge: loaded });
    if (kind === 'lora-table') return expect(saving).rejects.toThrow(/used twice, and the adapter changes one/);
    if (!loaded.adapter.merges) return expect(saving).rejects.toThrow(/cannot be merged/);
    await saving;
    const merged = await load(to, { engine });
    onTestFinished(() => merged.close());
    sameScores(await logitsOf(merged, given()), given().expected[`${kind}.logits`], given());
  });
});

test('words are written in the order of their ids, also beside LoRA', async () => {
  const { base } = opened.get('adapters-tied') as Opened;
  for (const [kind, field, wanted] of [
    ['words-tied', 'token_indices', [2, 3, 7]],
    ['lora-words', 'trainable_token_indices', { 'transformer.wte': [3, 4, 9] }],
  ] as const) {
    const loaded = await readAdapter(folderOf('adapters-tied', kind), base.network, base.declarations);
    const to = temporaryFolder();
    await writeAdapter(to, { ...base, base: 'model' }, loaded.settings, loaded.values);
    expect(configIn(to)[field]).toEqual(wanted);
  }
});

test('a table that learnt whole is written together with the head that is tied to it', async () => {
  const { base } = opened.get('adapters-tied') as Opened;
  const loaded = await readAdapter(folderOf('adapters-tied', 'lora-whole-table'), base.network, base.declarations);
  const to = temporaryFolder();
  await writeAdapter(to, { ...base, base: 'model' }, loaded.settings, loaded.values);
  expect(configIn(to)).toMatchObject({ modules_to_save: ['transformer.wte', 'lm_head'], ensure_weight_tying: true });
});

test('layers of their own rank say so, with the scale that twice the rank gives', async () => {
  const { base } = opened.get('adapters') as Opened;
  const groups = [
    { kind: 'lora', rank: 2, on: ['**.q_proj'] },
    { kind: 'lora', rank: 3, on: ['**.v_proj'] },
  ] as const;
  const values = new Map<string, HostArray>();
  for (const { rank, on } of groups) {
    for (const { name, shape } of base.declarations.values()) {
      if (!name.endsWith(`${on[0].slice(3)}.weight`)) continue;
      const [out, width] = shape as [number, number];
      const path = name.replace(/weight$/, '');
      values.set(`${path}lora_A.weight`, hostArray('f32', [rank, width], new Array(rank * width).fill(0.1)));
      values.set(`${path}lora_B.weight`, hostArray('f32', [out, rank], new Array(rank * out).fill(0.1)));
    }
  }
  const to = temporaryFolder();
  await writeAdapter(to, { ...base, base: 'model' }, groups, values);
  const others = [...base.declarations.keys()].filter((name) => name.endsWith('v_proj.weight'));
  const of = (value: number) =>
    Object.fromEntries(others.map((name) => [name.replace(/\.weight$/, '').replaceAll('.', '\\.'), value]));
  expect(configIn(to)).toMatchObject({ r: 2, lora_alpha: 4, rank_pattern: of(3), alpha_pattern: of(6) });
  const { settings } = await readAdapter(to, base.network, base.declarations);
  expect(settings.map((own) => own.kind === 'lora' && [own.rank, own.alpha])).toEqual([
    [2, 4],
    [3, 6],
  ]);
  const [first, second] = groups;
  for (const [own, message] of [
    [{ rankStabilised: true }, /adapter: use_rslora is false for some layers and true for others/],
    [{ bias: 'adapted' }, /bias is none for some layers and lora_only for others/],
    [{ kind: 'dora' }, /use_dora is false for some layers and true for others/],
  ] as const) {
    const writing = writeAdapter(to, { ...base, base: 'model' }, [first, { ...second, ...own }], values);
    await expect(writing).rejects.toThrow(message);
  }
});

const configIn = (at: string) => JSON.parse(readFileSync(join(at, 'adapter_config.json'), 'utf8'));
const tensorsIn = (at: string) => readTensors(join(at, 'adapter_model.safetensors'));

test('an adapter of another base is refused with all that does not fit', async () => {
  const other = await load(`${fixturePath('llama')}/model`, { engine });
  onTestFinished(() => other.close());
  const reading = readAdapter(folderOf('adapters', 'lora'), other.network, other.declarations);
  await expect(reading).rejects.toThrow(
    /does not fit.*k_proj\.lora_B\.weight is \[12, 3\] in the file, \[8, 3\] in the model/s,
  );
});

test('a network is traced for tied tables only where an adapter is concerned with them, and once', async () => {
  const { base } = opened.get('adapters-tied') as Opened;
  let traced = 0;
  const network: Model['network'] = {
    ...base.network,
    forward(...given) {
      traced++;
      return base.network.forward(...given);
    },
  };
  const read = (kind: string) => readAdapter(folderOf('adapters-tied', kind), network, base.declarations);
  const lora = await read('lora-fused');
  // For what it fits.
  expect(traced).toBe(1);
  for (let i = 0; i < 2; i++) {
    await writeAdapter(temporaryFolder(), { ...base, network, base: 'model' }, lora.settings, lora.values);
  }
  expect(traced).toBe(2);
  await read('lora-whole-table');
  expect(traced).toBe(3);
});
