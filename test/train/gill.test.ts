/** GILL's stage on captioned pictures: what a batch holds, what learns, and that the trained model draws. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, load, type Model, traceNetwork } from '../../src/model/index.js';
import { learningRows, type System, tableRows } from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { sampleBatches } from '../../src/train/samples.js';
import { here } from '../cli/cli.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { captions, gillFolder, signals } from './gill.js';

const table = 'lm.model.decoder.embed_tokens.weight';
const [first, last] = [signals[0] as number, signals.at(-1) as number];
const words = `${table}[${first}:${last + 1}]`;

async function open(path: string, options: Parameters<typeof load>[1] = {}): Promise<Model<System>> {
  const model = asSystem(await load(path, { engine, ...options }));
  onTestFinished(() => model.close());
  return model;
}

async function batchOf(folder: string, model: Model<System>): Promise<Record<string, HostArray>> {
  const dataset = await openDataset(join(folder, 'captions.jsonl'));
  onTestFinished(() => dataset.close());
  const [batch] = await sampleBatches(model, dataset, { batch: 4 }).take(0);
  return { ...batch };
}

const rowsOf = (array: HostArray | undefined): number[][] => {
  const [rows = 0, width = 0] = array?.shape ?? [];
  const all = array ? toNumbers(array) : [];
  return Array.from({ length: rows }, (_, i) => all.slice(i * width, (i + 1) * width));
};

test('captioned pictures become rows that say them, rows that see them, and captions for the generator', async () => {
  const { folder } = gillFolder();
  const model = await open(join(folder, 'base'), { fresh: 1 });
  const batch = await batchOf(folder, model);
  const [ids, labels] = [rowsOf(batch.input_ids), rowsOf(batch.labels)];
  expect(ids.length).toBe(8);
  for (const [row, given] of ids.entries()) {
    const learnt = given.filter((_, i) => labels[row]?.[i] !== -100);
    // The first half says: only the signals are learnt. The second half sees two features and learns the caption.
    if (row < 4) expect(learnt).toEqual(signals);
    else
      expect([given.filter((id) => id === first - 1).length, learnt.some((id) => id >= first - 1)]).toEqual([2, false]);
  }
  const said = ids.slice(0, 4).map((row) => row.slice(0, row.indexOf(first)).join());
  const seen = ids.slice(4).map((row) => row.filter((id) => id !== 1 && id !== first - 1).join());
  for (const [i, caption] of said.entries()) expect(seen[i]?.startsWith(caption)).toBe(true);
  expect(new Set(said).size).toBe(captions.length);
  expect(batch.caption_ids?.shape).toEqual([4, 14]);
  expect(batch.pixel_values?.shape.slice(0, 2)).toEqual([4, 3]);
});

test('rows that learn apart have the gradient of their table, and change nothing in what is computed', async () => {
  const { folder } = gillFolder();
  const model = await open(join(folder, 'base'), { fresh: 1 });
  const batch = await batchOf(folder, model);
  const whole = await traceNetwork(model, batch, { gradients: [table] });
  const declaration = model.declarations.get(table);
  if (!declaration) throw new Error('no table');
  const { shape, data } = await model.weights.read(declaration);
  const width = shape[1] as number;
  const own: HostArray = {
    dtype: 'f32',
    shape: [signals.length, width],
    data: data.slice(first * width, (last + 1) * width),
  };
  const apart: Model<System> = {
    ...model,
    adapt: learningRows(tableRows([words])).adapt,
    weights: {
      ...model.weights,
      fileName: (name) => (name === words ? words : model.weights.fileName(name)),
      bind: async (asked) =>
        asked.name === words
          ? { dtype: 'f32', source: { bytes: new Uint8Array(own.data.slice().buffer) } }
          : model.weights.bind(asked),
    },
  };
  const found = await traceNetwork(apart, batch, { gradients: [words] });
  const close = (actual: HostArray | undefined, wanted: HostArray | undefined, what: string) =>
    expectClose(
      actual as HostArray,
      { shape: [...(wanted?.shape ?? [])], data: toNumbers(wanted as HostArray) },
      what,
      { rtol: 1e-5, atol: 1e-7 },
    );
  for (const name of ['loss', 'logits', 'image_condition', 'retrieval_loss']) close(found[name], whole[name], name);
  const slopes = toNumbers(whole[`grad/${table}`] as HostArray).slice(first * width, (last + 1) * width);
  expect(Math.max(...slopes.map(Math.abs))).toBeGreaterThan(0);
  expectClose(found[`grad/${words}`] as HostArray, { shape: [signals.length, width], data: slopes }, 'rows', {
    rtol: 1e-4,
    atol: 1e-7,
  });
});

test('each caption is to find its picture: the retrieval loss is the mean of both cross entropies', async () => {
  const { folder } = gillFolder();
  const model = await open(join(folder, 'base'), { fresh: 1 });
  const found = await traceNetwork(model, await batchOf(folder, model));
  const [said, seen] = [rowsOf(found.said_embeds), rowsOf(found.image_embeds)];
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
  for (const row of [...said, ...seen]) expect(dot(row, row)).toBeCloseTo(1, 5);
  const scores = said.map((text) => seen.map((picture) => dot(text, picture) / 0.07));
  const entropy = (rows: readonly (readonly number[])[]): number =>
    rows.reduce((sum, row, i) => sum + Math.log(row.reduce((all, x) => all + Math.exp(x), 0)) - (row[i] as number), 0) /
    rows.length;
  const turned = scores.map((_, i) => scores.map((row) => row[i] as number));
  expect(toNumbers(found.retrieval_loss as HostArray)[0]).toBeCloseTo((entropy(scores) + entropy(turned)) / 2, 4);
});

test("GILL's stage teaches new words and what lies between frozen models, and the trained folder draws", async () => {
  const { folder, file } = gillFolder();
  const losses: number[] = [];
  const { folder: saved } = await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  expect(losses.at(-1)).toBeLessThan(0.7 * (losses[0] as number));
  const [before, after] = [await open(join(folder, 'base'), { fresh: 3 }), await open(saved as string)];
  const want = ['loss', 'alignment_loss', 'retrieval_loss'];
  const traced = [before, after].map(async (model) => traceNetwork(model, await batchOf(folder, model), { want }));
  const [old = {}, now = {}] = await Promise.all(traced);
  for (const name of want) expect(Number(now[name]?.data[0]), name).toBeLessThan(Number(old[name]?.data[0]));
  const learns = /^(visual_embeddings|visual_fc|(gen|ret)_text_hidden_fcs)\.|^logit_scale$/;
  for (const declaration of before.declarations.values()) {
    const [old, now] = await Promise.all([before, after].map((model) => model.weights.read(declaration)));
    const { name } = declaration;
    if (name === table) {
      const became = rowsOf(now);
      const changed = rowsOf(old).map((row, i) => row.some((x, j) => x !== became[i]?.[j]));
      expect(changed).toEqual(changed.map((_, id) => signals.includes(id)));
    } else if (!learns.test(name)) expect(toNumbers(now as HostArray), name).toEqual(toNumbers(old as HostArray));
  }
  const draw = async (prompt: string): Promise<Buffer> => {
    const output = join(folder, 'drawn.png');
    // Networks that have learnt nothing hardly look at their condition: what difference it makes is taken far.
    const settings = ['--steps', '2', '--seed', '1', '--guidance', '3000'];
    const { code, stderr } = await here(['draw', saved as string, prompt, '-o', output, ...settings]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('16 x 16 pixels');
    return readFileSync(output);
  };
  expect((await draw('two birds')).equals(await draw('a tall tree'))).toBe(false);
});

test('rows that a table does not have are refused', async () => {
  const { file } = gillFolder({ train: [`${table}[119:140]`] });
  await expect(runFile(file, { engine })).rejects.toThrow('a table of 121 rows has no rows from 119 up to 140');
});
