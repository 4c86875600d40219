/** What pictures' features are taught: their loss against naive loops, and its slope against central differences. */
import { expect, onTestFinished, test } from 'vitest';
import { initialise, type Model, traceNetwork } from '../../src/model/index.js';
import type { Declaration } from '../../src/nn/index.js';
import { nano } from '../../src/recipes/nano.js';
import { declarationsOf, type HostArrays, nameFeatures } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { pass } from './objectives.js';
import { runFolder, stage } from './runs.js';

const [features, length, picture, width] = [4, 14, 1, 32];
const vocab = nano('tiny').backbone.part.vocab;
const random = new Random(5);
const pixels = Array.from({ length: 2 * 3 * 16 * 16 }, () => random.normal());

/** Rows of a picture's features and the words that name them, behind tokens that are no target. */
function batchOf(named: readonly (readonly number[])[], pictures = pixels): HostArrays {
  const labels = named.flatMap((words) => [
    ...Array<number>(features + 1).fill(-100),
    ...words,
    ...Array<number>(length - features - 1 - words.length).fill(-100),
  ]);
  const ids = labels.map((label, i) => (i % length < features ? picture : Math.max(label, 0)));
  const shape = [named.length, length];
  return {
    input_ids: hostArray('i64', shape, ids),
    attention_mask: hostArray('i64', shape, Array<number>(ids.length).fill(1)),
    labels: hostArray('i64', shape, labels),
    pixel_values: hostArray('f32', [pictures.length / 768, 3, 16, 16], pictures),
  };
}

async function openNano(): Promise<Model> {
  const model = await initialise(nano('tiny'), { engine, seed: 3 });
  onTestFinished(() => model.close());
  return model;
}

const tableName = 'language_model.model.embed_tokens.weight';
const valuesOf = async ({ weights, network }: Model, name: string): Promise<number[]> =>
  toNumbers((await weights.read(declarationsOf(network).get(name) as Declaration)) as HostArray);

/** The mean cross-entropy of each feature over the words that name it, in float64. */
function naive(seen: readonly number[], table: readonly number[], named: readonly (readonly number[])[]): number {
  const losses = named.flatMap((words, row) =>
    words.map((word, i) => {
      const feature = seen.slice((row * features + (i % features)) * width).slice(0, width);
      const size = Math.sqrt(feature.reduce((sum, x) => sum + x * x, 0) / width + 1e-6);
      const scores = Array.from({ length: vocab }, (_, id) =>
        feature.reduce((sum, x, d) => sum + (x / size) * (table[id * width + d] as number), 0),
      );
      const most = Math.max(...scores);
      return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0)) - (scores[word] as number);
    }),
  );
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

const once = [
  [7, 8, 9, 10],
  [300, 301, 7, 302],
];
const twice = [
  [7, 8, 9, 10, 500, 501, 502, 503],
  [300, 301, 7, 302, 501, 500, 7, 8],
];

test.each([
  [1, once],
  [2, twice],
  [1, twice],
])('features that learn %d words each are scored as naive loops have it', async (words, answers) => {
  const model = await openNano();
  const batch = batchOf(answers);
  const found = await pass({ objective: nameFeatures({ words }), model }, [batch]);
  const { image_features: seen } = await traceNetwork(model, batch, { want: ['image_features'] });
  expect(seen?.shape).toEqual([2, features, width]);
  // What an answer has beyond the words that are learnt is left out.
  const named = answers.map((own) => own.slice(0, words * features));
  const [read, table] = [toNumbers(seen as HostArray), await valuesOf(model, tableName)];
  expect(found.loss).toBeCloseTo(naive(read, table, named), 5);
  const slope = toNumbers(found.slopes[tableName] as HostArray);
  const places = [7 * width, 301 * width + 5, 501 * width + 31];
  const wanted = places.map((at) => {
    const moved = (by: number) => naive(read, table.with(at, (table[at] as number) + by), named);
    return (moved(1e-4) - moved(-1e-4)) / 2e-4;
  });
  const data = Float32Array.from(places, (at) => slope[at] as number);
  expectClose(hostArray('f32', [3], data), { shape: [3], data: wanted }, 'slopes', { rtol: 1e-3, atol: 1e-6 });
  // A row by itself counts as much.
  const apart = answers.map((own, row) => batchOf([own], pixels.slice(row * 768, (row + 1) * 768)));
  expect((await pass({ objective: nameFeatures({ words }), model }, apart)).loss).toBeCloseTo(found.loss, 5);
});

test('encoder and projector learn along the slope of the loss', async () => {
  const model = await openNano();
  const learn = (policy: Model) => pass({ objective: nameFeatures({ words: 2 }), model, policy }, [batchOf(twice)]);
  const { slopes } = await learn(model);
  for (const name of ['vision_tower.stages.1.reduce.weight', 'multi_modal_projector.linear_1.weight']) {
    const slope = toNumbers(slopes[name] as HostArray);
    const steepness = Math.hypot(...slope);
    const values = await valuesOf(model, name);
    const at = async (distance: number): Promise<number> => {
      const moved = values.map((value, i) => value + (distance * (slope[i] as number)) / steepness);
      const read = async (declared: Declaration) =>
        declared.name === name ? hostArray('f32', slopes[name]?.shape ?? [], moved) : model.weights.read(declared);
      return (await learn({ ...model, weights: Object.create(model.weights, { read: { value: read } }) })).loss;
    };
    expect(steepness).toBeGreaterThan(1e-3);
    const risen = (await at(0.01)) - (await at(-0.01));
    expect(Math.abs(risen / (0.02 * steepness) - 1)).toBeLessThan(5e-3);
  }
});

test.each<[string, number, HostArrays, RegExp]>([
  ['too few words', 2, batchOf(once), /4 tokens to name 4 features by, 2 each\n.*An answer names all features/],
  [
    'no picture',
    1,
    { ...batchOf(once), input_ids: hostArray('i64', [2, length], Array<number>(2 * length).fill(5)) },
    /a sample without a picture/,
  ],
  ['two pictures in a row', 1, batchOf([once[0] as number[]]), /2 pictures in 1 rows\n.*about one picture/],
])('%s are refused', async (_, words, batch, why) => {
  const model = await openNano();
  await expect(pass({ objective: nameFeatures({ words }), model }, [batch])).rejects.toThrow(why);
});

test.each([0, -1, 1.5, 1e9])('%s words a feature are refused', (words) => {
  expect(() => nameFeatures({ words })).toThrow('words: expected each feature to be taught 1 to 64 words');
});

test('samples cannot share rows', async () => {
  const naming = { name: 'naming', train: ['multi_modal_projector.**'], objective: 'name-features', packing: true };
  const { file } = runFolder({ stages: [stage({ ...naming, steps: 4 })] });
  await expect(runFile(file, { engine })).rejects.toThrow(/packing: name-features learns of one sample a row/);
});
