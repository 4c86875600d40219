import { describe, expect, test } from 'vitest';
import { choose, likeliest, logprobOf, type SamplingOptions } from '../../src/model/sample.js';
import { ScoreAdjuster } from '../../src/model/score-adjuster.js';
import { Random } from '../../src/tensor/index.js';

const size = 12;
const draws = 4000;

/** Draws at evenly spread points instead of random ones. */
class Even extends Random {
  #count = 0;
  override uniform(): number {
    return (this.#count++ + 0.5) / draws;
  }
}

/** How often each token is drawn. */
function frequencies(scores: Float32Array, options: SamplingOptions, seen: readonly number[]): number[] {
  const counts = new Array<number>(size).fill(0);
  const random = new Even(0);
  const adjuster = new ScoreAdjuster(seen, options);
  for (let i = 0; i < draws; i++) counts[choose(scores, options, adjuster, random)]! += 1 / draws;
  return counts;
}

/** The distribution that transformers' processors leave, one after another, over all tokens in float64. */
function distribution(scores: Float32Array, options: SamplingOptions, seen: readonly number[]): number[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  let s = Array.from(scores, (x, id) => {
    if (!seen.includes(id)) return x;
    return x < 0 ? x * repetitionPenalty : x / repetitionPenalty;
  }).map((x) => x / temperature);
  const softmax = (): number[] => {
    const sum = s.reduce((a, x) => a + Math.exp(x), 0);
    return s.map((x) => Math.exp(x) / sum);
  };
  const keep = (test: (id: number) => boolean) => {
    s = s.map((x, id) => (test(id) ? x : Number.NEGATIVE_INFINITY));
  };
  if (topK > 0) {
    const least = s.toSorted((a, b) => b - a)[Math.min(topK, size) - 1] as number;
    keep((id) => (s[id] as number) >= least);
  }
  if (topP < 1) {
    const p = softmax();
    // What the likelier tokens make up already.
    keep((id) => p.reduce((a, x) => (x > (p[id] as number) ? a + x : a), 0) < topP);
  }
  if (minP > 0) {
    const p = softmax();
    keep((id) => (p[id] as number) >= minP * Math.max(...p));
  }
  return softmax();
}

const random = new Random(4);
const scores = Float32Array.from({ length: size }, () => 2 * random.normal());
const seen = [1, 4, 4, 7];

describe('draws follow the distribution of', () => {
  test.each<[string, SamplingOptions]>([
    ['the scores themselves', { temperature: 1 }],
    ['a low temperature', { temperature: 0.3 }],
    ['a high temperature', { temperature: 3 }],
    ['top-k', { temperature: 1, topK: 3 }],
    ['a top-k beyond the vocabulary', { temperature: 1, topK: 100 }],
    ['top-p', { temperature: 1, topP: 0.6 }],
    ['a tiny top-p', { temperature: 1, topP: 1e-9 }],
    ['min-p', { temperature: 1, minP: 0.2 }],
    ['min-p at another temperature', { temperature: 2, minP: 0.5 }],
    ['a repetition penalty', { temperature: 1, repetitionPenalty: 1.7 }],
    ['top-k before top-p', { temperature: 1.5, topK: 4, topP: 0.7 }],
    ['top-p before min-p', { temperature: 2, topP: 0.8, minP: 0.3 }],
    ['all of them', { temperature: 1.3, topK: 6, topP: 0.9, minP: 0.1, repetitionPenalty: 1.2 }],
  ])('%s', (_, options) => {
    const wanted = distribution(scores, options, seen);
    for (const [id, part] of frequencies(scores, options, seen).entries()) {
      expect(Math.abs(part - (wanted[id] as number)), `token ${id}`).toBeLessThan(2 / draws);
    }
  });
});

test('without a temperature the likeliest token is taken, the first of equals', () => {
  expect(choose(Float32Array.of(0, 3, 3, 1), {}, new ScoreAdjuster([], {}), new Random(0))).toBe(1);
});

test('a repetition penalty changes greedy choices', () => {
  const adjuster = new ScoreAdjuster([1], { repetitionPenalty: 1.1 });
  expect(choose(Float32Array.of(1, 3, 2.9), {}, adjuster, new Random(0))).toBe(2);
});

test('log-probabilities are of the scores as they are, and sum to one', () => {
  const before = scores.slice();
  const adjuster = new ScoreAdjuster(seen, { repetitionPenalty: 2, presencePenalty: 1, noRepeatNgram: 1 });
  const id = choose(scores, { temperature: 0.5, topK: 2 }, adjuster, new Random(1));
  expect(scores).toEqual(before);
  const all = likeliest(scores, size);
  expect(all.reduce((sum, choice) => sum + Math.exp(choice.logprob), 0)).toBeCloseTo(1, 12);
  expect(all.find((choice) => choice.id === id)?.logprob).toBe(logprobOf(scores, id));
  expect(all.map((choice) => choice.logprob)).toEqual(all.map((choice) => choice.logprob).toSorted((a, b) => b - a));
});

describe('of masked scores draws follow the distribution that is left by', () => {
  const ids = [0, 3, 4, 5, 8, 11];
  const allowed = Uint32Array.of(ids.reduce((bits, id) => bits | (1 << id), 0));
  test.each<[string, SamplingOptions]>([
    ['the scores themselves', { temperature: 1 }],
    ['top-k', { temperature: 1, topK: 3 }],
    ['top-p', { temperature: 1, topP: 0.6 }],
    ['min-p', { temperature: 1, minP: 0.2 }],
    ['all of them', { temperature: 1.3, topK: 5, topP: 0.9, minP: 0.1, repetitionPenalty: 1.2 }],
  ])('%s', (_, options) => {
    const masked = scores.map((score, id) => (ids.includes(id) ? score : Number.NEGATIVE_INFINITY));
    const wanted = distribution(masked, options, seen);
    for (const [id, part] of frequencies(scores, { ...options, allowed } as SamplingOptions, seen).entries())
      expect(Math.abs(part - (wanted[id] as number)), `token ${id}`).toBeLessThan(2 / draws);
  });
});

test('the likeliest allowed token is taken, wherever its bit lies', () => {
  const many = Float32Array.from({ length: 200 }, (_, i) => i % 97);
  for (const ids of [[0], [31, 32], [63], [5, 96, 193], [199]]) {
    const allowed = new Uint32Array(7);
    for (const id of ids) allowed[id >> 5]! |= 1 << (id & 31);
    const best = ids.reduce((a, b) => ((many[b] as number) > (many[a] as number) ? b : a));
    expect(choose(many, { allowed }, new ScoreAdjuster([], {}), new Random(0))).toBe(best);
  }
});
