import { expect, test } from 'vitest';
import type { FolderFiles } from '../../src/checkpoint/index.js';
import { loadPicture } from '../../src/media/index.js';
import { continueGreedily } from '../../src/model/continue.js';
import { drawingPrompt, drawPicture, pictureOf } from '../../src/model/draw-picture.js';
import { Drawer, type DrawOptions, drawTokens } from '../../src/model/draw-tokens.js';
import { asSystem, initialise, type Model } from '../../src/model/model.js';
import { createProcessor } from '../../src/model/prompt.js';
import { traceNetwork } from '../../src/model/trace.js';
import { readJanusVision } from '../../src/parts/encoders/janus-vision.js';
import { janus } from '../../src/recipes/janus.js';
import { declarationsOf, parameterCount, type System } from '../../src/system/index.js';
import { fields, type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectFixture, fixtureJson, fixturePath, fixtureTensors, withModel } from '../fixture.js';
import { expectClose, type Tolerance } from '../graph/close.js';

const withJanus = (use: (model: Model<System>) => Promise<void>): Promise<void> =>
  withModel('janus', (model) => use(asSystem(model)));

function expectNear(found: HostArray | undefined, wanted: HostArray | undefined, what: string, tolerance: Tolerance) {
  if (!found || !wanted) throw new Error(`no ${what}`);
  expectClose(found, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, tolerance);
}

const exact: Tolerance = { rtol: 0, atol: 0 };
const close: Tolerance = { rtol: 1e-4, atol: 0 };

test('Janus understands a picture as the reference does, with its loss and gradients', () => expectFixture('janus'));

test('a chat about a picture becomes the reference’s tokens and pixels, and is answered as there', () =>
  withJanus(async (model) => {
    const [{ content }] = fixtureJson('janus', 'messages.json') as unknown as [
      { content: { type: 'text'; text: string }[] },
    ];
    const picture = await loadPicture(`${fixturePath('janus')}/media/one.png`);
    const given = createProcessor(model).process([{ messages: [{ role: 'user', content }], pictures: [picture] }], {
      prompt: true,
    });
    const expected = await fixtureTensors('janus', 'expected');
    expectNear(given.input_ids, expected['processed/input_ids'], 'tokens', exact);
    expectNear(given.pixel_values, expected['processed/pixel_values'], 'pixels', { rtol: 1e-6, atol: 0 });
    expectNear(await continueGreedily(model, given, 16), expected.sequences, 'answer', exact);
  }));

test('codes are scored, embedded, decoded and found as in the reference', () =>
  withJanus(async (model) => {
    const expected = await fixtureTensors('janus', 'expected3');
    const actual = await traceNetwork(model, await fixtureTensors('janus', 'inputs3'));
    const { image_sequences: _, decoded_generated: __, ...traced } = expected;
    expect(Object.keys(traced)).toHaveLength(7);
    for (const [name, wanted] of Object.entries(traced)) {
      expectNear(actual[name], wanted, name, name === 'vq_tokens' ? exact : close);
    }
  }));

test('pictures are drawn under guidance as in the reference, from a chat’s own prompt', () =>
  withJanus(async (model) => {
    const { input_ids, attention_mask } = await fixtureTensors('janus', 'inputs3');
    const expected = await fixtureTensors('janus', 'expected3');
    const steps: number[] = [];
    const given = { input_ids, attention_mask } as Record<string, HostArray>;
    const drawn = await drawTokens(model, given, { onProgress: ({ done, total }) => steps.push(done / total) });
    expectNear(drawn.image_sequences, expected.image_sequences, 'codes', exact);
    expectNear(drawn.decoded_generated, expected.decoded_generated, 'picture', close);
    expect(steps).toEqual(Array.from({ length: 9 }, (_, i) => (i + 1) / 9));

    const drawer = await Drawer.open(model);
    expect(drawingPrompt(drawer, 'Draw a picture of the moon.')).toEqual(toNumbers(input_ids as HostArray));
    await drawer.close();
    const picture = await drawPicture(model, 'Draw a picture of the moon.', { temperature: 0 });
    expect(picture).toEqual(pictureOf(drawn.decoded_generated));
  }));

test('pictures drawn together are those drawn alone, greedily and by their own seeds', () =>
  withJanus(async (model) => {
    const drawer = await Drawer.open(model);
    const prompts = ['A boat.', 'Two boats on the wide sea.'].map((text) => drawingPrompt(drawer, text));
    const codes = async (rows: number[][], temperature: number, guidance: number): Promise<number[][]> => {
      const drawn = toNumbers(await drawer.draw(rows, { temperature, guidance, seed: 7 }));
      return rows.map((_, i) => drawn.slice(i * 9, (i + 1) * 9));
    };
    const [short, long] = prompts as [number[], number[]];
    expect(await codes(prompts, 0, 3)).toEqual([...(await codes([short], 0, 3)), ...(await codes([long], 0, 3))]);
    const sampled = await codes([short, short], 1, 3);
    expect(sampled[0]).not.toEqual(sampled[1]);
    expect(await codes([short, long], 1, 3)).toEqual([sampled[0], (await codes([long, long], 1, 3))[1]]);
    expect(await codes([long], 0, 1)).not.toEqual(await codes([long], 0, 3));
    await drawer.close();
  }));

test('chats begin with a system prompt where the processor’s file says so, drawings do not', () =>
  withJanus(async ({ files, ...model }) => {
    const processorConfig = { ...files?.processorConfig, use_default_system_prompt: true };
    const asking = { ...model, files: { ...files, processorConfig } as FolderFiles };
    const messages = [{ role: 'user', content: 'Hi.' }] as const;
    const text = createProcessor(asking).render(messages, { prompt: true });
    expect(text).toMatch(/^You are a helpful language and vision assistant\. .* natural language\.\n\nUser: Hi\./);
    const drawer = await Drawer.open(asking);
    expect(createProcessor(asking).tokenizer.decode(drawingPrompt(drawer, 'Hi.'))).toMatch(/^<[^>]*>User: Hi\./);
    await drawer.close();
  }));

test('without a padding token pictures are drawn, but not guided', async () => {
  const model = await initialise(janus('tiny'), { engine });
  const drawer = await Drawer.open(model);
  await expect(drawer.draw([[1, 2]])).rejects.toThrow(/pad_token_id.*guidance needs a padding token/);
  const codes = await drawer.draw([[1, 2]], { guidance: 1 });
  expect(codes.shape).toEqual([1, 4]);
  expect(toNumbers(await drawer.show(codes)).every(Number.isFinite)).toBe(true);
  await drawer.close();
  await model.close();
});

test('options of a drawing that mean nothing are refused, biases of codes that there are not too', () =>
  withJanus(async (model) => {
    const drawer = await Drawer.open(model);
    const { codes } = drawer.codes;
    for (const [options, message] of [
      [{ logitBias: { [codes]: 1 } }, `logitBias: expected the ids of tokens, below ${codes}, got ${codes}`],
      [{ noRepeatNgram: 1.5 }, 'noRepeatNgram: expected a whole number from 0 on, got 1.5'],
      [{ presencePenalty: 3 }, 'presencePenalty: expected a number between -2 and 2, got 3'],
      [{ guidance: Number.NaN }, 'guidance: expected a number, got NaN'],
      [{ guidence: 1 }, 'drawing: there is no option "guidence"; did you mean "guidance"?'],
    ] as [DrawOptions, string][]) {
      await expect(drawer.draw([[1, 2]], options)).rejects.toMatchObject({ code: 'config' });
      await expect(drawer.draw([[1, 2]], options)).rejects.toThrow(message);
    }
    await drawer.close();
  }));

test('drawing ends when it is told to', () =>
  withJanus(async (model) => {
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }): void => {
      if (done === 3) stop.abort(new Error('enough'));
    };
    await expect(drawPicture(model, 'A boat.', { onProgress, signal: stop.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  }));

test('levels are rounded down and kept within a byte', () => {
  const data = Float32Array.of(-1, 1, 0, -0.5, 2, -3);
  expect(pictureOf({ dtype: 'f32', shape: [1, 1, 2, 3], data })).toEqual({
    width: 2,
    height: 1,
    data: Uint8Array.of(0, 255, 127, 63, 255, 0),
  });
});

test('norms of queries and keys are refused where the reference cannot run them', () => {
  const read = (heads: number) =>
    readJanusVision(fields({ use_qk_norm: true, num_attention_heads: heads }, 'config.json'));
  expect(read(1).normalised).toBe(true);
  expect(() => read(2)).toThrow(/use_qk_norm with more than one head/);
});

test('published sizes hold as many numbers as the reference’s classes', () => {
  const count = (size: 'pro-1b' | 'pro-7b'): number => parameterCount(declarationsOf(janus(size)).values());
  expect(count('pro-1b')).toBe(2_076_636_811);
  expect(count('pro-7b')).toBe(7_407_773_323);
});
