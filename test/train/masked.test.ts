/** Masked words: how they are drawn, and run files that learn to guess them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { masked, openDataset } from '../../src/data/index.js';
import { load, traceNetwork } from '../../src/model/index.js';
import { type HostArray, hostArray, ignored, Random, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { maskedBatches } from '../../src/train/masked-samples.js';
import { engine, withModel } from '../fixture.js';
import { runFolder } from './runs.js';
import { stoppedAndResumed } from './small-runs.js';

const texts = ['two birds in a tree', 'a tall tree', 'a red kite on the lake', 'a photo of two birds'];
const training = { train: ['**'], batch: 4, optimizer: { lr: 1e-2 } };

test('a share of the tokens is guessed: 80 % hidden, 10 % another word, 10 % as they are, and marks never', () => {
  const ids = Array.from({ length: 60_000 }, (_, i) => (i % 6 === 0 ? 2 : 1000));
  const masking = { share: 0.15, mask: 4, words: 900, isSpecial: (id: number) => id === 2 };
  const { ids: given, labels } = masked(ids, masking, new Random(7));
  const guessed = ids.flatMap((id, i) => (labels[i] === ignored ? [] : [{ id, given: given[i] as number }]));
  const others = ids.filter((id, i) => labels[i] === ignored && given[i] !== id);
  expect(others).toEqual([]);
  expect(guessed.every(({ id }) => id === 1000)).toBe(true);
  // Six standard deviations of what is drawn that often.
  const near = (count: number, of: number, wanted: number) =>
    expect(Math.abs(count / of - wanted)).toBeLessThan(6 * Math.sqrt((wanted * (1 - wanted)) / of));
  near(guessed.length, 50_000, 0.15);
  const share = (is: (given: number) => boolean) => guessed.filter((one) => is(one.given)).length;
  near(
    share((id) => id === 4),
    guessed.length,
    0.8 + 0.1 / 900,
  );
  near(
    share((id) => id === 1000),
    guessed.length,
    0.1,
  );
  near(
    share((id) => id < 900 && id >= 450),
    guessed.length,
    0.05,
  );
});

test('a row has the same mask in every cut of its step, and another one in the next epoch', async () => {
  const { folder } = runFolder({}, 'bert-masked');
  const file = join(folder, 'texts.txt');
  writeFileSync(file, texts.join('\n\n'));
  await withModel('bert-masked', async (model) => {
    const rowsOf = async (step: number, options: object): Promise<string[]> => {
      const dataset = await openDataset(file);
      const batches = maskedBatches(model, dataset, { batch: 4, seed: 5, guessed: 0.5, ...options });
      const found = (await batches.take(step)).flatMap(({ labels }) => {
        const { shape, ...array } = labels as HostArray;
        const all = toNumbers({ shape, ...array });
        const length = shape[1] as number;
        return Array.from({ length: shape[0] as number }, (_, row) =>
          String(all.slice(row * length, (row + 1) * length).filter((label) => label !== ignored)),
        );
      });
      await dataset.close();
      return found.toSorted();
    };
    const whole = await rowsOf(0, {});
    expect(whole.join('').length).toBeGreaterThan(10);
    expect(await rowsOf(0, { microBatch: 1 })).toEqual(whole);
    const shares = [await rowsOf(0, { share: { rank: 0, size: 2 } }), await rowsOf(0, { share: { rank: 1, size: 2 } })];
    expect(shares.flat().toSorted()).toEqual(whole);
    expect(await rowsOf(1, {})).not.toEqual(whole);
  });
});

test('a run over a plain text learns to guess its words, goes on where it was stopped, and is loaded again', async () => {
  const stage = { name: 'guess', ...training, data: 'texts.txt', objective: 'masked-words', steps: 40, saveEvery: 10 };
  const settings = { stages: [stage], evaluate: { data: 'held-out.jsonl', every: 20 } };
  const { folder, file } = runFolder(settings, 'bert-masked');
  writeFileSync(join(folder, 'texts.txt'), `${texts.join('\n')}\n`);
  writeFileSync(join(folder, 'held-out.jsonl'), texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  const { losses, resumed, whole } = await stoppedAndResumed(file, { engine });
  expect(resumed).toEqual(whole);
  const mean = (some: readonly number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
  expect(mean(losses.slice(-10))).toBeLessThan(0.7 * mean(losses.slice(0, 10)));
  const log = readFileSync(join(folder, 'out/guess/log.jsonl'), 'utf8').trim().split('\n');
  const held = log.map((line) => JSON.parse(line)).flatMap(({ evaluation }) => evaluation?.loss ?? []);
  expect(held).toHaveLength(3);
  expect(held[2]).toBeLessThan(0.7 * held[0]);
  expect(readFileSync(join(folder, 'out/model/README.md'), 'utf8')).toMatch(/AutoModelForMaskedLM/);

  const model = await load(join(folder, 'out/model'), { engine });
  const { logits } = await traceNetwork(model, { input_ids: hostArray('i64', [1, 4], [2, 7, 8, 3]) });
  expect(toNumbers(logits as HostArray).every(Number.isFinite)).toBe(true);
  await model.close();
});

test('what is no text alone, or no model of masked words, is refused', async () => {
  const wrong = { name: 'guess', ...training, data: 'chats.jsonl', objective: 'masked-words', steps: 1, badShare: 0 };
  await expect(runFile(runFolder({ stages: [wrong] }, 'bert-masked').file, { engine })).rejects.toThrow(/a text alone/);
  await expect(runFile(runFolder({ stages: [wrong] }).file, { engine })).rejects.toThrow(/guesses no masked words/);
});
