/** BLIP-2's first stage against transformers: contrast, matching with hard negatives, captions, and their gradients. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { layeredWeights, load, traceNetwork } from '../../src/model/index.js';
import { adamw, learnImageText } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { checkBatches, train } from '../../src/train/train.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { captioned } from './captioned.js';
import { rows } from './fixture.js';
import { open, pass } from './objectives.js';
import { logOf, stoppedAndResumed } from './small-runs.js';

const name = 'image-text';

function same(actual: HostArray | undefined, wanted: HostArray | undefined, what: string): void {
  if (!actual || !wanted) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, { rtol: 5e-5, atol: 1e-7 });
}

/** The model with a head for captions, and what it is given. */
async function opened() {
  const model = await open(name);
  onTestFinished(() => model.close());
  const all = Object.entries(await fixtureTensors(name, 'inputs'));
  const head = new Map(all.filter(([key]) => key.startsWith('qformer.cls.')));
  const batch = Object.fromEntries(all.filter(([key]) => !head.has(key)));
  return { model: { ...model, weights: layeredWeights(model.weights, head) }, batch };
}

test('pictures and texts are compared and judged as by the reference', async () => {
  const { model, batch } = await opened();
  const expected = await fixtureTensors(name, 'expected');
  const found = await traceNetwork(model, batch);
  for (const key of ['image_embeds', 'text_embeds', 'logits_per_image', 'itm_logits'])
    same(found[key], expected[key], key);
});

test('the three losses and their gradients equal the reference', async () => {
  const { model, batch } = await opened();
  const expected = await fixtureTensors(name, 'expected');
  const found = await pass({ objective: learnImageText({ temperature: 0.2 }), model }, [batch]);
  for (const part of ['contrast', 'match', 'caption']) {
    same(hostArray('f32', [], [found.metrics[`loss/${part}`] as number]), expected[`loss.${part}`], part);
  }
  const keys = Object.keys(expected).filter((key) => key.startsWith('grad.'));
  expect(keys.length).toBeGreaterThan(20);
  for (const key of keys) same(found.slopes[key.slice('grad.'.length)], expected[key], key);
});

test('weights of the parts leave out what they do not count', async () => {
  const { model, batch } = await opened();
  const objective = learnImageText({ temperature: 0.2, match: 0.5, caption: 0 });
  const found = await pass({ objective, model }, [batch]);
  const { 'loss/contrast': contrast = 0, 'loss/match': match = 0 } = found.metrics;
  expect(found.loss).toBeCloseTo(contrast + 0.5 * match, 5);
  expect(Object.keys(found.slopes).some((key) => key.includes('.cls.'))).toBe(false);
});

test('a batch whose rows are compared is not cut', async () => {
  const { model, batch } = await opened();
  const parts = [[0, 1], [2]].map((kept) =>
    Object.fromEntries(Object.entries(batch).map(([key, array]) => [key, rows(array, kept)])),
  );
  const data = { fields: Object.keys(batch), accumulates: true, take: async () => parts };
  const objective = learnImageText();
  expect(() => checkBatches(objective, data)).toThrow(/image-text compares all samples of a step/);
  const options = { objective, train: ['**'], optimizer: adamw({ lr: 1e-3 }), steps: 1, data };
  await expect(train(model, options)).rejects.toThrow(/cannot be cut into micro-batches/);
});

test('a pair alone, as the last of some samples may be, is told to belong together, and is no run', async () => {
  const { model, batch } = await opened();
  const one = Object.fromEntries(Object.entries(batch).map(([key, array]) => [key, rows(array, [1])]));
  const objective = learnImageText();
  const { itm_logits: scores } = await traceNetwork(model, one);
  const [apart = 0, together = 0] = scores ? toNumbers(scores) : [];
  const { metrics, norm } = await pass({ objective, model }, [one]);
  expect(metrics['loss/match']).toBeCloseTo(Math.log1p(Math.exp(apart - together)), 5);
  expect(metrics['loss/contrast']).toBe(0);
  expect(norm).toBeGreaterThan(0);
  const data = { fields: Object.keys(one), accumulates: false, rows: 1, take: () => expect.unreachable() };
  const options = { objective, train: ['**'], optimizer: adamw({ lr: 1e-3 }), steps: 1, data };
  await expect(train(model, options)).rejects.toThrow('batch: image-text compares all samples of a step: at least 2');
});

/** A run over captions of a model that begins from nothing, with the words of BERT's fixture. */
function captionRun(stage: object): ReturnType<typeof captioned> {
  const run = captioned({ batch: 4, steps: 30, saveEvery: 10, ...stage }, name);
  const base = join(run.folder, 'base');
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    cpSync(`${fixturePath('bert')}/model/${file}`, join(base, file));
  const config = JSON.parse(readFileSync(join(base, 'config.json'), 'utf8'));
  const reader = { ...config.qformer_config, vocab_size: 201, max_position_embeddings: 32 };
  writeFileSync(join(base, 'config.json'), JSON.stringify({ ...config, qformer_config: reader }));
  const pixels = JSON.parse(readFileSync(`${fixturePath('clip')}/model/preprocessor_config.json`, 'utf8'));
  const size = { size: { shortest_edge: 12 }, crop_size: { height: 12, width: 12 } };
  writeFileSync(join(base, 'preprocessor_config.json'), JSON.stringify({ ...pixels, ...size }));
  writeFileSync(run.file, readFileSync(run.file, 'utf8').replace('model: ./base', 'model: ./base\nfresh: true'));
  return run;
}

test.each<[string, object]>([
  ['an objective', { name: 'own', objective: { kind: 'image-text', smoothing: 0 }, optimizer: { lr: 1e-2 } }],
  ["the recipe's own stage", { name: 'represent', train: undefined, optimizer: { lr: 1e-2, warmup: 0 } }],
])(
  'a run file with %s learns which text is whose, goes on where it was stopped, and is loaded again',
  async (_, own) => {
    const { folder, file } = captionRun(own);
    const { losses, whole, resumed } = await stoppedAndResumed(file, { engine });
    expect(resumed).toEqual(whole);
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
    const { metrics } = logOf(folder, (own as { name: string }).name).at(-1) as { metrics: Record<string, number> };
    expect(Object.keys(metrics).sort()).toEqual(['loss/caption', 'loss/contrast', 'loss/match', 'picked/text']);
    const card = readFileSync(join(folder, 'out/model/README.md'), 'utf8');
    expect(card).toMatch(/AutoModelForZeroShotImageClassification.*AutoProcessor/);
    await (await load(join(folder, 'out/model'), { engine })).close();
  },
);

test('its batches are not cut, and are of captioned pictures', async () => {
  const run = (stage: object) => runFile(captionRun({ objective: 'image-text', ...stage }).file, { engine });
  const own = { name: 'own', optimizer: { lr: 1e-2 } };
  for (const microBatch of [1, 2]) {
    await expect(run({ ...own, microBatch })).rejects.toThrow(/microBatch: image-text compares all samples of a step/);
  }
  await expect(run({ ...own, batch: 1 })).rejects.toThrow(/at least 2 in a batch/);
});
