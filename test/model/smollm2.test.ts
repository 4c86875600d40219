/** Published weights, where `scripts/fetch-weights.ts` has fetched them: SmolLM2-135M-Instruct in blocks of four bits. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { input } from '../../src/graph/index.js';
import { compile } from '../../src/model/compile.js';
import {
  asSystem,
  type CacheForm,
  createProcessor,
  generateTokens,
  LanguageSession,
  load,
  type Model,
  ownWords,
  type WeightsOption,
} from '../../src/model/index.js';
import { languageSides } from '../../src/model/language-graph.js';
import type { System } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixtureJson, fixtureTensors } from '../fixture.js';
import { weightsOf } from '../weights.js';

interface Texts {
  readonly prompts: Readonly<
    Record<string, { readonly text: string; readonly ids: number[]; readonly answer: string }>
  >;
  readonly passage: { readonly text: string; readonly ids: number[] };
  /** What torch gives with products rounded to eight bits, by blocks and by rows: how far from what it gives without. */
  readonly rounded: Readonly<Record<'blocks' | 'rows', { readonly error: number; readonly largest_margin: number }>>;
}

const folder = weightsOf('smollm2');
const { prompts, passage, rounded } = fixtureJson('real-smollm2', 'texts.json') as unknown as Texts;
const expected = await fixtureTensors('real-smollm2', 'expected');
const timeout = 240_000;
const scoresKept = 16;
/** Of each token of the passage but the first. */
const nllExpected = toNumbers(expected['passage.nll'] as HostArray);
const perplexity = perplexityOf(nllExpected);

interface Opened {
  readonly model: Model<System>;
  readonly session: LanguageSession;
}

const opened = new Map<string, Promise<Opened>>();

/** The model in a form, opened once for all tests. */
function open(weights: WeightsOption, kvCache: CacheForm = 'f32'): Promise<Opened> {
  const make = async (): Promise<Opened> => {
    const file = join(folder as string, 'SmolLM2-135M-Instruct.Q4_1.gguf');
    const model = asSystem(await load(file, { engine, weights, kvCache }));
    return { model, session: await LanguageSession.open(model) };
  };
  const key = `${weights} ${kvCache}`;
  const known = opened.get(key) ?? make();
  opened.set(key, known);
  return known;
}

afterAll(async () => {
  for (const { model, session } of await Promise.all(opened.values())) {
    await session.close();
    await model.close();
  }
});

function perplexityOf(nll: readonly number[]): number {
  return Math.exp(nll.reduce((sum, value) => sum + value, 0) / nll.length);
}

/** -log of a token's probability. */
function nllOf(scores: Float32Array, id: number): number {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
  return largest + Math.log(total) - (scores[id] as number);
}

interface Place {
  /** What the reference chooses here, and how far before the next. */
  readonly id: number;
  readonly margin: number;
  readonly chosen: number;
  /** Of the greatest scores of the reference. */
  readonly errors: readonly number[];
}

/** What the model scores at each place of the reference's answers. */
async function placesOf(session: LanguageSession, name: string): Promise<Place[]> {
  const best = toNumbers(expected[`${name}.top_ids`] as HostArray);
  const scores = toNumbers(expected[`${name}.top_scores`] as HostArray);
  const prompt = prompts[name]?.ids as number[];
  const length = best.length / scoresKept;
  const cache = session.start(1, prompt.length + length);
  const places: Place[] = [];
  let next = prompt;
  for (let at = 0; at < best.length; at += scoresKept) {
    const own = (await session.step(cache, { ids: [next] })).data as Float32Array;
    const errors = best.slice(at, at + scoresKept).map((id, i) => (own[id] as number) - (scores[at + i] as number));
    const id = best[at] as number;
    const margin = (scores[at] as number) - (scores[at + 1] as number);
    places.push({ id, margin, chosen: own.indexOf(own.reduce((a, b) => Math.max(a, b))), errors });
    next = [id];
  }
  return places;
}

/** The perplexity of the passage, read token by token behind what is read at once, as a part of the reference's. */
async function decoded(session: LanguageSession, atOnce: number): Promise<number> {
  const { ids } = passage;
  const cache = session.start(1, ids.length);
  const nll: number[] = [];
  for (let read = 0; read < ids.length - 1; ) {
    const next = ids.slice(read, read === 0 ? atOnce : read + 1);
    const { data } = await session.step(cache, { ids: [next] });
    read += next.length;
    nll.push(nllOf(data as Float32Array, ids[read] as number));
  }
  return perplexityOf(nll) / perplexityOf(nllExpected.slice(atOnce - 1));
}

test.skipIf(!folder)('chats and the passage become the ids of the reference', { timeout }, async () => {
  const { model } = await open('f32');
  const processor = createProcessor(model);
  for (const [name, { text, ids, answer }] of Object.entries(prompts)) {
    const rendered = processor.render([{ role: 'user', content: text }], { prompt: true });
    expect(processor.encode(rendered, []), name).toEqual(ids);
    const best = toNumbers(expected[`${name}.top_ids`] as HostArray).filter((_, i) => i % scoresKept === 0);
    expect(processor.tokenizer.decode(best), name).toBe(answer);
  }
  expect(processor.tokenizer.encode(passage.text)).toEqual(passage.ids);
});

test.skipIf(!folder)('in f32, scores and greedy answers are those of the reference', { timeout }, async () => {
  const { session } = await open('f32');
  for (const [name, { ids }] of Object.entries(prompts)) {
    const places = await placesOf(session, name);
    const largest = Math.max(...toNumbers(expected[`${name}.top_scores`] as HostArray));
    const error = Math.max(...places.flatMap(({ errors }) => errors.map(Math.abs)));
    expect(error / largest, name).toBeLessThan(1e-5);
    const answer: number[] = [];
    const options = { maxTokens: places.length, stopIds: [2] };
    for await (const { id } of generateTokens(session, session.start(1, 1024), { ids: [ids] }, options))
      answer.push(id);
    expect(answer, name).toEqual(places.map(({ id }) => id));
  }
});

test.skipIf(!folder)('in f32, every token of the passage is as likely as in the reference', { timeout }, async () => {
  const { session } = await open('f32');
  const { ids } = passage;
  const { data, shape } = await session.step(session.start(1, ids.length), { ids: [ids.slice(0, -1)], every: true });
  const vocab = shape[1] as number;
  for (const [i, wanted] of nllExpected.entries()) {
    const scores = (data as Float32Array).subarray(i * vocab, (i + 1) * vocab);
    expect(Math.abs(nllOf(scores, ids[i + 1] as number) - wanted)).toBeLessThan(1e-4);
  }
});

/**
 * Blocks are exact, but what they are multiplied with is rounded to eight bits. Torch with the same rounding is off by
 * `error` on average, and chooses otherwise at margins up to 1.6: what chooses within that is as good.
 */
const widest = 2;

test.skipIf(!folder).each([
  ['int4', 'blocks'],
  ['auto', 'rows'], // of prompts; answers are scored with the blocks
] as const)(
  'in %s, scores are no further from the reference than rounding takes them, and choices differ at small margins only',
  {
    timeout,
  },
  async (weights, rounding) => {
    const { session } = await open(weights);
    const { error, largest_margin: differing } = rounded[rounding];
    expect(differing).toBeLessThan(widest);
    const errors: number[] = [];
    for (const name of Object.keys(prompts)) {
      for (const [at, place] of (await placesOf(session, name)).entries()) {
        errors.push(...place.errors);
        if (place.margin >= widest) expect(place.chosen, `${name}, token ${at}`).toBe(place.id);
      }
    }
    const found = Math.sqrt(errors.reduce((sum, value) => sum + value ** 2, 0) / errors.length);
    expect(found).toBeLessThan(1.5 * error);
    // Without any, nothing was rounded.
    expect(found).toBeGreaterThan(0.1 * error);
  },
);

test.skipIf(!folder).each([
  ['int4', 1],
  ['auto', 257],
] as const)(
  'in %s, the passage is as likely as in f32 within one percent where it is read token by token',
  {
    timeout,
  },
  async (weights, atOnce) => {
    const { session } = await open(weights);
    const found = await decoded(session, atOnce);
    expect(Math.abs(found - 1)).toBeLessThan(0.01);
  },
);

/** The perplexity of the passage, read at once, as a part of the reference's. */
async function read(session: LanguageSession): Promise<number> {
  const { ids } = passage;
  const { data, shape } = await session.step(session.start(1, ids.length), { ids: [ids.slice(0, -1)], every: true });
  const vocab = shape[1] as number;
  const rowOf = (i: number) => (data as Float32Array).subarray(i * vocab, (i + 1) * vocab);
  return perplexityOf(ids.slice(1).map((id, i) => nllOf(rowOf(i), id))) / perplexity;
}

test.skipIf(!folder)(
  'with keys and values in eight bits, the passage is as likely within half a percent, and choices differ at small margins only',
  { timeout },
  async () => {
    const { session } = await open('f32', 'int8');
    expect(Math.abs((await read(session)) - 1)).toBeLessThan(0.005);
    const errors: number[] = [];
    for (const name of Object.keys(prompts)) {
      for (const [at, place] of (await placesOf(session, name)).entries()) {
        errors.push(...place.errors);
        if (place.margin >= 0.5) expect(place.chosen, `${name}, token ${at}`).toBe(place.id);
      }
    }
    const found = Math.sqrt(errors.reduce((sum, value) => sum + value ** 2, 0) / errors.length);
    // No reference rounds a cache: 0.31 when it was first measured, where products with blocks are off by 0.21.
    expect(found).toBeLessThan(0.4);
    // Without any, nothing was rounded.
    expect(found).toBeGreaterThan(0.01);
  },
);

test.skipIf(!folder)(
  'with all products in eight bits, the perplexity rises by less than 5 percent',
  {
    timeout,
  },
  async () => {
    const { model } = await open('auto');
    const { network } = model;
    const packed = await model.pack?.(model, languageSides(network, ownWords(network)));
    const named = (name: string) => input(name, 'i64', ['B', 'T']);
    const session = await compile(
      model,
      'passage',
      (p) => network.forward(p, { input_ids: named('input_ids'), attention_mask: named('attention_mask') }),
      packed?.prefill,
    );
    try {
      const { ids } = passage;
      const ones = ids.map(() => 1);
      const feeds = {
        input_ids: hostArray('i64', [1, ids.length], ids),
        attention_mask: hostArray('i64', [1, ids.length], ones),
      };
      const { data, shape } = (await session.run(feeds)).logits as HostArray;
      const vocab = shape[2] as number;
      const rowOf = (i: number) => (data as Float32Array).subarray(i * vocab, (i + 1) * vocab);
      const found = perplexityOf(ids.slice(1).map((id, i) => nllOf(rowOf(i), id)));
      expect(found).toBeLessThan(1.05 * perplexity);
      expect(found).toBeGreaterThan(1.001 * perplexity);
    } finally {
      await session.close();
    }
  },
);
