/** What answers that are drawn anew add to the estimate of a stage. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../../src/data/index.js';
import { asSystem, initialise, LanguageSession, load, type Model, rewardModel } from '../../../src/model/index.js';
import { gpt2 } from '../../../src/parts/backbones/gpt2.js';
import { adamw, grpo, type HostArrays, type System, slot, system } from '../../../src/system/index.js';
import { bytesOf, closeAll, hostArray, ignored, zerosArray } from '../../../src/tensor/index.js';
import { drawingMemory } from '../../../src/train/estimate/drawing.js';
import type { Estimate } from '../../../src/train/index.js';
import { train } from '../../../src/train/index.js';
import { promptBatches } from '../../../src/train/prompt-samples.js';
import { rewardOf } from '../../../src/train/ratings.js';
import type { Reward } from '../../../src/train/reward.js';
import { engine } from '../../fixture.js';
import { runFolder } from '../runs.js';

/** Heads of a width that the engine's own attention takes. */
async function smallModel(): Promise<Model<System>> {
  const backbone = gpt2({ width: 32, depth: 2, heads: 4, vocab: 40, context: 80 });
  const model = await initialise(system({ name: 'gpt', backbone: slot(backbone, { prefix: '' }) }), { engine });
  onTestFinished(() => model.close());
  return model;
}

/** Answers of 3 tokens to prompts of 5. */
function answered(rows: number): HostArrays {
  const whole = (row: readonly number[]) => hostArray('i64', [rows, 8], Array(rows).fill(row).flat());
  const learnt = [...Array(5).fill(ignored), 7, 7, 7];
  return { input_ids: whole([1, 5, 5, 5, 5, 7, 7, 7]), attention_mask: whole(Array(8).fill(1)), labels: whole(learnt) };
}

test.each([
  ['one answer', 1],
  ['several answers', 6],
])('the cache of %s counts as what a session makes for them', async (_, rows) => {
  const model = await smallModel();
  const session = await LanguageSession.open(model);
  onTestFinished(() => session.close());
  const made = (tokens: number): number =>
    Object.values(session.start(rows, tokens).arrays).reduce((sum, array) => sum + bytesOf(array).length, 0);
  const expected = (maxTokens: number): number =>
    drawingMemory({ model, fed: new Set() }, [answered(rows)], { longest: 60, maxTokens });
  expect(made(15)).toBeGreaterThan(0);
  expect(expected(40) - expected(10)).toBe(made(45) - made(15));
  // What is drawn ends where rows are full.
  expect(expected(200) - expected(10)).toBe(made(60) - made(15));
});

test('sessions are fed what learns; what does not they hold, here in memory and laid out anew', async () => {
  const model = await smallModel();
  const limits = { longest: 60, maxTokens: 10 };
  const expected = (names: Iterable<string>): number =>
    drawingMemory({ model, fed: new Set(names) }, [answered(2)], limits);
  const products = [...model.declarations.values()].filter(
    ({ name }) => /c_attn|c_proj|c_fc/.test(name) && name.endsWith('weight'),
  );
  const bytes = products.reduce((sum, { shape }) => sum + 4 * (shape[0] as number) * (shape[1] as number), 0);
  expect(expected([]) - expected(products.map(({ name }) => name))).toBe(2 * bytes);
});

test('a stage counts them with what rates them, and waits for them in every step', async () => {
  const { folder } = runFolder({ stages: [] });
  const model = asSystem(await load(join(folder, 'base'), { engine }));
  writeFileSync(join(folder, 'prompts.jsonl'), '{"images":["one.png"],"prompt":"<image>What do you see?"}\n');
  const prompts = await openDataset(join(folder, 'prompts.jsonl'));
  const rater = await rewardOf(rewardModel(model));
  onTestFinished(() => closeAll(rater, prompts, model));
  const estimatesOf = async (rated: boolean) => {
    const { reward, memory: rewardMemory } = rater;
    const options = { batch: 1, answers: 4, maxTokens: 6, reward, ...(rated && rewardMemory ? { rewardMemory } : {}) };
    const data = promptBatches(model, prompts, options);
    const told: Estimate[] = [];
    const batches: HostArrays[] = [];
    let time = 0;
    await train(model, {
      ...{ objective: grpo(), train: ['multi_modal_projector.**'], optimizer: adamw({ lr: 1e-3 }), steps: 3 },
      ...{ memory: () => 0, clock: () => ++time, onEstimate: (estimate) => told.push(estimate) },
      data: {
        ...data,
        async take(step, now) {
          time += 100;
          const taken = await data.take(step, now);
          batches.push(...taken);
          return taken;
        },
      },
    });
    await data.close?.();
    return { told, first: batches.slice(0, 1), own: data.memory };
  };
  const [alone, rated] = [await estimatesOf(false), await estimatesOf(true)];
  const costOf = ({ told }: typeof alone, index: number) => (told[index] as Estimate).estimated;
  const rating = rater.memory?.(rated.first) as number;
  // Scores of its rows' widest layer are the least that a pass of it keeps.
  expect(rating).toBeGreaterThan(4 * 8 * (model.network.backbone.part.width + 1));
  expect(costOf(rated, 0).memory - costOf(alone, 0).memory).toBeCloseTo(rating, 6);
  // 101 ticks of the clock for the answers of each step, one for what must be known of them, and one for its pass.
  expect(costOf(rated, 1).time).toBe(3 * 103);
});

test('pictures that the stage has seen before are looked at for answers all the same', async () => {
  const { folder } = runFolder({ stages: [] });
  const model = asSystem(await load(join(folder, 'base'), { engine }));
  writeFileSync(join(folder, 'prompts.jsonl'), '{"images":["one.png"],"prompt":"<image>What do you see?"}\n');
  const prompts = await openDataset(join(folder, 'prompts.jsonl'));
  const reward: Reward = (answers) => answers.map(() => 0);
  const data = promptBatches(model, prompts, { batch: 1, answers: 3, maxTokens: 4, reward });
  onTestFinished(() => closeAll({ close: async () => data.close?.() }, prompts, model));
  const batches = await data.take(0);
  const limits = { longest: 64, maxTokens: 4 };
  const own = drawingMemory({ model, fed: new Set() }, batches, limits);
  const { network } = model;
  const encoder_states = { dtype: 'f32', shape: ['M', 17, 14] } as const;
  const seen = { ...model, network: { ...network, inputs: { ...network.inputs, encoder_states } } };
  const kept = batches.map(({ pixel_values: _, ...batch }) => ({
    ...batch,
    encoder_states: zerosArray('f32', [3, 17, 14]),
  }));
  expect(drawingMemory({ model: seen, fed: new Set() }, kept, limits)).toBe(own);
  // Two pictures a prompt at most, of whose features [17, 18] all are fed.
  const showing = (pictures: number): number => {
    const [batch] = kept;
    const states = zerosArray('f32', [pictures, 17, 14]);
    return drawingMemory({ model: seen, fed: new Set() }, [{ ...batch, encoder_states: states }], limits);
  };
  expect(showing(6) - showing(4)).toBe(2 * 4 * 17 * 18);
  // Its two sessions, and the values of one prompt's picture or of all texts.
  expect(own).toBeGreaterThan(2 * 20 * 2 ** 20);
});
