/** The generation loop and its caches, against passes over whole sequences. */
import { expect, test } from 'vitest';
import { checkOptions } from '../../src/model/generate.js';
import {
  type GeneratedToken,
  type GenerateOptions,
  generateTokens,
  initialise,
  LanguageSession,
  type Model,
  traceNetwork,
} from '../../src/model/index.js';
import { llama } from '../../src/recipes/llama.js';
import { opt } from '../../src/recipes/opt.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';

const growing: Engine = { ...engine, inPlace: false };
const random = new Random(8);
const prompt = (length: number): number[] => Array.from({ length }, () => random.integer(256));
const [long, short, other] = [prompt(19), prompt(7), prompt(12)];

/** Rows of new tokens. */
async function generate(
  model: Model<System>,
  ids: readonly (readonly number[])[],
  options: GenerateOptions,
  capacity = 64,
): Promise<GeneratedToken[][]> {
  const session = await LanguageSession.open(model);
  try {
    const rows: GeneratedToken[][] = ids.map(() => []);
    for await (const token of generateTokens(session, session.start(ids.length, capacity), { ids }, options)) {
      rows[token.row]?.push(token);
    }
    return rows;
  } finally {
    await session.close();
  }
}

const idsOf = (rows: readonly (readonly GeneratedToken[])[]): number[][] => rows.map((row) => row.map(({ id }) => id));

/** The likeliest next tokens, each by a pass over everything before it, and their log-probabilities. */
async function byWholePasses(model: Model<System>, ids: readonly number[], count: number) {
  const all = [...ids];
  const logprobs: number[] = [];
  for (let i = 0; i < count; i++) {
    const input_ids = hostArray('i64', [1, all.length], all);
    const attention_mask = hostArray(
      'i64',
      [1, all.length],
      all.map(() => 1),
    );
    const { logits } = await traceNetwork(model, { input_ids, attention_mask }, { want: ['logits'] });
    const scores = toNumbers(logits as HostArray).slice(-256);
    const best = scores.indexOf(Math.max(...scores));
    logprobs.push((scores[best] as number) - Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0)));
    all.push(best);
  }
  return { ids: all.slice(ids.length), logprobs };
}

const shapes = [
  ['llama', llama('tiny')],
  ['OPT', opt('tiny')],
] as const;

test.each(shapes)(
  '%s: cached decoding picks the same tokens as whole passes, in place and growing',
  async (_, network) => {
    for (const by of [engine, growing]) {
      const model = await initialise(network, { engine: by, seed: 5 });
      const wanted = await byWholePasses(model, long, 6);
      const [row = []] = await generate(model, [long], { maxTokens: 6, logprobs: 0 });
      expect(row.map(({ id }) => id)).toEqual(wanted.ids);
      for (const [i, { logprob }] of row.entries()) expect(logprob).toBeCloseTo(wanted.logprobs[i] as number, 4);
    }
  },
);

test.each(shapes)('%s: a padded row goes on as it does alone, in place and growing', async (_, network) => {
  for (const by of [engine, growing]) {
    const model = await initialise(network, { engine: by, seed: 6 });
    const together = await generate(model, [short, long, other], { maxTokens: 8, logprobs: 0 });
    for (const [i, ids] of [short, long, other].entries()) {
      const [alone = []] = await generate(model, [ids], { maxTokens: 8, logprobs: 0 });
      expect(idsOf(together)[i]).toEqual(alone.map(({ id }) => id));
      const logprobs = together[i]?.map(({ logprob }) => logprob) as number[];
      for (const [j, { logprob }] of alone.entries()) expect(logprobs[j]).toBeCloseTo(logprob as number, 4);
    }
  }
});

test('a row that has ended leaves the others as they are', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 6 });
  const [first = [], second = []] = idsOf(await generate(model, [long, short], { maxTokens: 8 }));
  const stopIds = [first[2] as number];
  const stopped = await generate(model, [long, short], { maxTokens: 8, stopIds });
  const end = second.indexOf(stopIds[0] as number);
  expect(idsOf(stopped)).toEqual([
    first.slice(0, first.indexOf(stopIds[0] as number) + 1),
    end < 0 ? second : second.slice(0, end + 1),
  ]);
  expect(stopped[0]?.at(-1)?.end).toBe('stop');
});

test('a full cache ends a row, and the shorter rows go on', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 6 });
  const free = idsOf(await generate(model, [long, short], { maxTokens: 12 }));
  const rows = await generate(model, [long, short], { maxTokens: 12 }, long.length + 3);
  expect(idsOf(rows)).toEqual([free[0]?.slice(0, 4), free[1]]);
  expect(rows.map((row) => row.at(-1)?.end)).toEqual(['length', 'length']);
});

test('what a row draws depends on the seed, and not on its neighbours', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 7 });
  const options = { maxTokens: 10, temperature: 1.5, topP: 0.95 };
  const penalties = { presencePenalty: 1, frequencyPenalty: 0.5, logitBias: { 3: 4, 9: 4 }, noRepeatNgram: 1 };
  for (const all of [options, { ...options, ...penalties }]) {
    const once = idsOf(await generate(model, [long, short], { ...all, seed: 1 }));
    expect(idsOf(await generate(model, [long, short], { ...all, seed: 1 }))).toEqual(once);
    expect(idsOf(await generate(model, [long, other], { ...all, seed: 1 }))[0]).toEqual(once[0]);
    expect(idsOf(await generate(model, [long], { ...all, seed: 1 }))[0]).toEqual(once[0]);
    expect(idsOf(await generate(model, [long, short], { ...all, seed: 2 }))).not.toEqual(once);
  }
});

test('greedy answers are changed by each penalty and bias as it says', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 7 });
  const answer = async (options: GenerateOptions) =>
    idsOf(await generate(model, [short], { maxTokens: 30, ...options }))[0] as number[];
  const [plain, liked] = [await answer({}), await answer({ logitBias: { 200: 100 } })];
  const different = (ids: readonly number[]): number => new Set(ids).size;
  expect(liked).toEqual(liked.map(() => 200));
  expect(await answer({ logitBias: { [plain[0] as number]: -100 } })).not.toContain(plain[0]);
  expect(different(await answer({ presencePenalty: 2 }))).toBeGreaterThan(different(plain));
  expect(different(await answer({ frequencyPenalty: 2 }))).toBeGreaterThan(different(plain));
  const once = await answer({ noRepeatNgram: 1 });
  expect(different([...short, ...once])).toBe(different(short) + once.length);
});

test('the probabilities of all tokens sum to one at every step, and hold the one that was chosen', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 7 });
  const [row = []] = await generate(model, [short], { maxTokens: 4, temperature: 1, logprobs: 256 });
  expect(row.length).toBe(4);
  for (const { id, logprob, top } of row) {
    expect(top.reduce((sum, choice) => sum + Math.exp(choice.logprob), 0)).toBeCloseTo(1, 6);
    expect(top.find((choice) => choice.id === id)?.logprob).toBe(logprob);
  }
});

test('scores that are not finite are an error', async () => {
  const model = await initialise(llama('tiny'), { engine });
  const weights = {
    ...model.weights,
    read: model.weights.read,
    async bind(declaration: Parameters<typeof model.weights.bind>[0]) {
      const size = declaration.shape.reduce((a, b) => a * b, 1);
      return {
        dtype: 'f32' as const,
        source: { bytes: new Uint8Array(new Float32Array(size).fill(Number.NaN).buffer) },
      };
    },
  };
  await expect(generate({ ...model, weights }, [short], { maxTokens: 1 })).rejects.toMatchObject({ code: 'numeric' });
});

const refused: readonly GenerateOptions[] = [
  ...[{ maxTokens: Number.NaN }, { maxTokens: -1 }, { temperature: Number.NaN }, { temperature: -0.5 }],
  ...[{ minP: -0.1 }, { minP: 1.5 }, { repetitionPenalty: 0 }, { repetitionPenalty: -1 }],
  ...[{ maxTokens: 2.5 }, { temperature: Number.POSITIVE_INFINITY }, { topK: Number.NaN }, { topK: 1.5 }],
  ...[{ presencePenalty: 2.1 }, { frequencyPenalty: -2.1 }, { noRepeatNgram: -1 }, { noRepeatNgram: 1.5 }],
  ...[
    { logitBias: { 1: 101 } },
    { logitBias: { 1: Number.NaN } },
    { logitBias: { 256: 1 } },
    { logitBias: { [-1]: 1 } },
  ],
  ...[
    { logitBias: { 1: '5' } } as object,
    { topP: Number.NaN },
    { topP: 2 },
    { seed: 0.5 },
    { firstRow: -1 },
    { logprobs: Number.NaN },
  ],
];

test('numbers that mean nothing are refused by their names', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 5 });
  for (const options of refused) {
    const [name] = Object.keys(options);
    const answer = generate(model, [short], { temperature: 1, ...options });
    await expect(answer).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`${name}: expected`),
    });
  }
});

test('a row that waits for others keeps what it has seen, in place and growing', async () => {
  for (const by of [engine, growing]) {
    const model = await initialise(llama('tiny'), { engine: by, seed: 6 });
    const session = await LanguageSession.open(model);
    const waited = session.start(2, 16);
    await session.step(waited, { ids: [short, other] });
    await session.step(waited, { ids: [[1], []] });
    await session.step(waited, { ids: [[2], []] });
    const scores = toNumbers(await session.step(waited, { ids: [[3], [3]] }));
    const alone = session.start(1, 16);
    await session.step(alone, { ids: [other] });
    const expected = toNumbers(await session.step(alone, { ids: [[3]] }));
    for (const [i, value] of expected.entries()) expect(scores[256 + i]).toBeCloseTo(value, 4);
    await session.close();
  }
});

test('numbers at the ends of their ranges are taken', () => {
  checkOptions({
    maxTokens: Number.POSITIVE_INFINITY,
    temperature: 0,
    topK: 0,
    topP: 0,
    minP: 1,
    logprobs: 0,
    seed: -1,
    presencePenalty: -2,
    frequencyPenalty: 2,
    noRepeatNgram: 0,
    logitBias: { 0: -100, 7: 100 },
  });
});

test.each([
  [{ temprature: 1 }, 'generation: there is no option "temprature"; did you mean "temperature"?'],
  [{ stop: ['x'] }, 'there is no option "stop"'],
  [{ stopIds: [-1] }, 'stopIds: expected ids of tokens, got [-1]'],
  [{ stopIds: 5 }, 'stopIds: expected ids of tokens, got 5'],
  [{ temperature: '1' }, 'temperature: expected a number from 0 on, got "1"'],
  [{ speculate: {} }, 'speculate: expected what promptLookup or draftModel gives, got {}'],
  [{ constrain: { regex: 'a' } }, 'constrain: expected what constrain gives'],
  [{ signal: 5 }, 'signal: expected an AbortSignal, got 5'],
] as [GenerateOptions, string][])('options %j are refused', (options, message) => {
  expect(() => checkOptions(options)).toThrow(expect.objectContaining({ code: 'config' }));
  expect(() => checkOptions(options)).toThrow(message);
});
