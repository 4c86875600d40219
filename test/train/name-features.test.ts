/** What pictures' features are taught: their loss against naive loops, and its slope against central differences. */
import { expect, onTestFinished, test } from 'vitest';
import { initialise, type Model, traceNetwork } from '../../src/model/index.js';
import { nano } from '../../src/recipes/nano.js';
import { declarationsOf, type HostArrays, nameFeatures } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { pass } from './objectives.js';

const [rows, features, length, picture, vocab, width] = [2, 4, 14, 1, 718, 32];
const random = new Random(5);
const pixels = Float32Array.from({ length: rows * 3 * 16 * 16 }, () => random.normal());

/** Rows of a picture's features and the words that name them, behind tokens that are no target. */
function batchOf(named: readonly (readonly number[])[]): HostArrays {
  const labels = named.flatMap((words) => [
    ...Array<number>(features + 1).fill(-100),
    ...words,
    ...Array<number>(length - features - 1 - words.length).fill(-100),
  ]);
  const ids = labels.map((label, i) => (i % length < features ? picture : Math.max(label, 0)));
  return {
    input_ids: hostArray('i64', [rows, length], ids),
    attention_mask: hostArray('i64', [rows, length], Array<number>(rows * length).fill(1)),
    labels: hostArray('i64', [rows, length], labels),
    pixel_values: hostArray('f32', [rows, 3, 16, 16], pixels),
  };
}

async function openNano(): Promise<Model> {
  const model = await initialise(nano('tiny'), { engine, seed: 3 });
  onTestFinished(() => model.close());
  return model;
}

const tableName = 'language_model.model.embed_tokens.weight';
async function tableOf({ weights, network }: Model): Promise<number[]> {
  return toNumbers((await weights.read(declarationsOf(network).get(tableName)!)) as HostArray);
}

/** The mean cross-entropy of each feature over the words that name it, in float64. */
function naive(seen: readonly number[], table: readonly number[], named: readonly (readonly number[])[]): number {
  const losses = named.flatMap((words, row) =>
    words.map((word, i) => {
      const feature = seen.slice((row * features + (i % features)) * width).slice(0, width);
      const size = Math.sqrt(feature.reduce((sum, x) => sum + x * x, 0) / width + 1e-6);
      const scores = Array.from({ length: vocab }, (_, id) =>
        feature.reduce((sum, x, d) => sum + (x / size) * table[id * width + d]!, 0),
      );
      const most = Math.max(...scores);
      return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0)) - scores[word]!;
    }),
  );
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

test.each([
  [
    1,
    [
      [7, 8, 9, 10],
      [300, 301, 7, 302],
    ],
  ],
  // The second row has a second word for its first two features alone.
  [
    2,
    [
      [7, 8, 9, 10, 500, 501, 502, 503],
      [300, 301, 7, 302, 501, 500],
    ],
  ],
])('features that are taught %d words each', async (words, named) => {
  const model = await openNano();
  const batch = batchOf(named);
  const found = await pass({ objective: nameFeatures({ words }), model }, [batch]);
  const { image_features: seen } = await traceNetwork(model, batch, { want: ['image_features'] });
  expect(seen?.shape).toEqual([rows, features, width]);
  const [features64, table] = [toNumbers(seen as HostArray), await tableOf(model)];
  expect(found.loss).toBeCloseTo(naive(features64, table, named), 5);
  // By the table, through scores alone.
  const slope = toNumbers(found.slopes[tableName] as HostArray);
  for (const at of [7 * width, 301 * width + 5, 501 * width + 31]) {
    const moved = (by: number) => naive(features64, table.with(at, table[at]! + by), named);
    expect(slope[at]).toBeCloseTo((moved(1e-4) - moved(-1e-4)) / 2e-4, 5);
  }
});
