/** Run files that teach what belongs together: CLIP's way, and SigLIP's. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { load, processPairs, traceNetwork } from '../../src/model/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { captioned, pairs } from './captioned.js';
import { logOf, stoppedAndResumed } from './small-runs.js';

const matching = (settings: object, base: string) =>
  captioned({ name: 'match', objective: 'contrast', optimizer: { lr: 3e-3 }, ...settings }, base);

test.each(['clip', 'siglip'])('%s learns which text is whose, and is loaded again', async (base) => {
  const { folder, file } = matching({ steps: 30, saveEvery: 10 }, base);
  const { losses, whole, resumed } = await stoppedAndResumed(file, { engine });
  expect(resumed).toEqual(whole);
  expect(losses.at(-1)).toBeLessThan(0.3 * (losses[0] as number));
  const last = logOf(folder, 'match').at(-1);
  expect(last?.metrics).toEqual({ 'picked/image': 1, 'picked/text': 1 });
  expect(readFileSync(join(folder, 'out/model/README.md'), 'utf8')).toMatch(/AutoModel.*AutoProcessor/);

  const model = await load(join(folder, 'out/model'), { engine });
  const chats = await Promise.all(
    pairs.map(async ([image, caption]) => ({
      messages: [{ role: 'user' as const, content: caption }],
      pictures: [await loadPicture(join(folder, image))],
    })),
  );
  const { logits_per_text: scores } = await traceNetwork(model, processPairs(model, chats));
  const all = toNumbers(scores as HostArray);
  for (const row of pairs.keys()) {
    const own = all.slice(4 * row, 4 * row + 4);
    expect(own.indexOf(Math.max(...own))).toBe(row);
  }
  await model.close();
});

test('rows are compared as a whole, by a network that can, of samples that have both sides', async () => {
  await expect(runFile(matching({ steps: 1, microBatch: 2 }, 'clip').file, { engine })).rejects.toThrow(
    /compares all samples of a step/,
  );
  await expect(runFile(matching({ steps: 1, batch: 1 }, 'clip').file, { engine })).rejects.toThrow(
    /stage match: batch: captions are compared with each other: at least 2 in a batch$/m,
  );
  const lonely = matching({ steps: 1, evaluate: { data: 'captions.csv', every: 1, batch: 3 } }, 'clip');
  await expect(runFile(lonely.file, { engine })).rejects.toThrow(
    /evaluate: batch: .*; of 4, the last one would be alone/,
  );
  await expect(runFile(matching({ steps: 1 }, 'llava').file, { engine })).rejects.toThrow(/does not compare texts/);
  const asked = matching({ steps: 1, objective: 'next-token' }, 'clip');
  await expect(runFile(asked.file, { engine })).rejects.toThrow(/is no language model.*contrast/s);
  const { folder, file } = matching({ steps: 1, data: 'texts.jsonl' }, 'clip');
  writeFileSync(join(folder, 'texts.jsonl'), '{"text": "nothing to see"}\n');
  await expect(runFile(file, { engine })).rejects.toThrow(/one picture and, as the last answer, its caption/);
});
