/** Penalties, biases and n-grams, against the numbers that transformers' processors gave and OpenAI's formula. */
import { expect, test } from 'vitest';
import {
  asSystem,
  type GenerateOptions,
  generateTokens,
  LanguageSession,
  load,
  promptLookup,
  type SamplingOptions,
} from '../../src/model/index.js';
import { ScoreAdjuster } from '../../src/model/score-adjuster.js';
import { engine, fixtureJson, fixturePath } from '../fixture.js';

interface Settings {
  readonly no_repeat_ngram_size?: number;
  readonly repetition_penalty?: number;
  readonly sequence_bias?: readonly (readonly [ids: readonly [number], bias: number])[];
}

interface Case {
  readonly settings: Settings;
  readonly steps: {
    readonly prompt: readonly number[];
    readonly answer: readonly number[];
    readonly scores: readonly number[];
    /** Before each token of the answer and behind it all; null for minus infinity. */
    readonly left: readonly (readonly (number | null)[])[];
  };
  readonly greedy: { readonly prompt: readonly number[]; readonly ids: readonly number[] };
}

const cases = fixtureJson('sampling', 'processors.json') as unknown as readonly Case[];

function optionsOf({ no_repeat_ngram_size = 0, repetition_penalty = 1, sequence_bias = [] }: Settings) {
  const logitBias = Object.fromEntries(sequence_bias.map(([[id], bias]) => [id, bias]));
  return { noRepeatNgram: no_repeat_ngram_size, repetitionPenalty: repetition_penalty, logitBias };
}

/** What is left of scores behind a prompt and an answer. */
function changed(scores: readonly number[], options: SamplingOptions, prompt: readonly number[], answer: number[]) {
  const adjuster = new ScoreAdjuster(prompt, options);
  for (const id of answer) adjuster.push(id);
  const left = Float32Array.from(scores);
  adjuster.change(left);
  return [...left];
}

test.each(cases)('scores behind each token are those that transformers leaves: $settings', ({ settings, steps }) => {
  const { prompt, answer, scores, left } = steps;
  const adjuster = new ScoreAdjuster(prompt, optionsOf(settings));
  const own = Float32Array.from(scores);
  for (const [step, wanted] of left.entries()) {
    adjuster.change(own);
    expect([...own], `step ${step}`).toEqual(wanted.map((score) => score ?? Number.NEGATIVE_INFINITY));
    adjuster.restore(own);
    expect([...own]).toEqual(scores);
    adjuster.push(answer[step] as number);
  }
});

test.each(cases)("greedy answers are those of transformers' generate: $settings", async ({ settings, greedy }) => {
  const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine }));
  const session = await LanguageSession.open(model);
  const generate = async (options: GenerateOptions): Promise<number[]> => {
    const ids: number[] = [];
    const cache = session.start(1, 128);
    for await (const { id } of generateTokens(session, cache, { ids: [greedy.prompt] }, options)) ids.push(id);
    return ids;
  };
  const options = { ...optionsOf(settings), maxTokens: greedy.ids.length };
  expect(await generate(options)).toEqual(greedy.ids);
  expect(await generate({ ...options, speculate: promptLookup() })).toEqual(greedy.ids);
  await session.close();
  await model.close();
});

test('a single token comes once, the first of the row too', () => {
  const [no, left] = [Number.NEGATIVE_INFINITY, { noRepeatNgram: 1 }];
  expect(changed([1, 2, 3, 4], left, [1, 3], [])).toEqual([1, no, 3, no]);
  expect(changed([1, 2, 3, 4], left, [], [2, 0])).toEqual([no, 2, no, 4]);
});

// platform.openai.com: mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence
test('presence and frequency penalties count the tokens of the answer alone', () => {
  const penalised = (options: SamplingOptions) => changed([1, 2, 3, -4], options, [3, 3, 2], [0, 1, 0]);
  expect(penalised({ presencePenalty: 0.5 })).toEqual([0.5, 1.5, 3, -4]);
  expect(penalised({ frequencyPenalty: 0.25 })).toEqual([0.5, 1.75, 3, -4]);
  expect(penalised({ presencePenalty: -2, frequencyPenalty: 1.5 })).toEqual([0, 2.5, 3, -4]);
});

test('biases come before the factor of the repetition penalty, and that before what is taken off', () => {
  const options = { logitBias: { 0: 3, 1: -3 }, repetitionPenalty: 2, presencePenalty: 1, frequencyPenalty: 0.5 };
  expect(changed([1, 1, 4, 4], options, [2], [0, 1, 1])).toEqual([0.5, -6, 2, 4]);
});

test('where a form leaves nothing else, a run of tokens may come again', () => {
  const adjuster = new ScoreAdjuster([0, 1, 0, 2, 0], { noRepeatNgram: 2, presencePenalty: 1 });
  adjuster.push(3);
  adjuster.push(0);
  const scores = Float32Array.of(4, 3, 2, 1);
  adjuster.change(scores, Uint32Array.of(0b0111));
  expect([...scores]).toEqual([3, ...new Array<number>(3).fill(Number.NEGATIVE_INFINITY)]);
  adjuster.restore(scores);
  adjuster.change(scores, Uint32Array.of(0b0110));
  expect([...scores]).toEqual([3, 3, 2, 0]);
  adjuster.restore(scores);
  expect([...scores]).toEqual([4, 3, 2, 1]);
});
