/** Choosing the next token from its scores. */

import type { Random } from '../tensor/index.js';
import type { ScoreAdjuster } from './score-adjuster.js';

export interface SamplingOptions {
  /** 0 (default) takes the likeliest token; above, scores are divided by it before drawing. */
  readonly temperature?: number;
  /** Draws among this many of the likeliest tokens; default all. */
  readonly topK?: number;
  /** Draws among the likeliest tokens that together have this probability (Holtzman et al., 2020); default 1. */
  readonly topP?: number;
  /** Leaves out tokens less likely than this part of the likeliest (Nguyen et al., 2024); default 0. */
  readonly minP?: number;
  /** Scores of tokens seen before are made worse by this factor (Keskar et al., 2019); default 1. */
  readonly repetitionPenalty?: number;
  /** Taken from the score of each token that the answer holds already, as OpenAI defines it: from -2 to 2; default 0. */
  readonly presencePenalty?: number;
  /** The same for each time that the answer holds the token. */
  readonly frequencyPenalty?: number;
  /** Added to the scores of these tokens, by their ids: from -100, which all but forbids one, to 100. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** No run of so many tokens comes twice in prompt and answer, unless a form leaves nothing else (Paulus et al., 2017); default 0, for any. */
  readonly noRepeatNgram?: number;
}

export interface Choice {
  readonly id: number;
  /** Natural logarithm of the token's probability under the model itself, before any of the options. */
  readonly logprob: number;
}

/** Tokens that may be chosen, a bit for each id: id i is bit i & 31 of number i >> 5. */
export type Allowed = Uint32Array;

export interface ChoosingOptions extends SamplingOptions {
  /** Default all. The rest counts as if it were not there. */
  readonly allowed?: Allowed | undefined;
}

/** One token for a row of scores, which is left as it is. `adjuster` knows the row's tokens so far. */
export function choose(
  scores: Float32Array,
  options: ChoosingOptions,
  adjuster: ScoreAdjuster,
  random: Random,
): number {
  const { temperature = 0, allowed } = options;
  adjuster.change(scores, allowed);
  const id = temperature === 0 ? largest(scores, allowed) : draw(scores, { ...options, temperature }, random);
  adjuster.restore(scores);
  return id;
}

/** The logarithm of a token's probability. */
export function logprobOf(scores: Float32Array, id: number): number {
  return (scores[id] as number) - logSumExp(scores);
}

/** The id of the largest score among those allowed, or -1 where there is none. */
export function largest(scores: Float32Array, allowed?: Allowed): number {
  let best = allowed ? firstOf(allowed) : 0;
  for (let i = best + 1; i < scores.length; i++)
    if ((scores[i] as number) > (scores[best] as number) && isIn(allowed, i)) best = i;
  return best;
}

function isIn(allowed: Allowed | undefined, id: number): boolean {
  return allowed === undefined || (((allowed[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

function firstOf(allowed: Allowed): number {
  const word = allowed.findIndex((bits) => bits !== 0);
  if (word === -1) return -1;
  const bits = allowed[word] as number;
  return 32 * word + 31 - Math.clz32(bits & -bits);
}

/** The `count` likeliest tokens, likeliest first. */
export function likeliest(scores: Float32Array, count: number): Choice[] {
  const norm = logSumExp(scores);
  return largestOnes(scores, count).map((id) => ({ id, logprob: (scores[id] as number) - norm }));
}

type Drawing = ChoosingOptions & { readonly temperature: number };

/** In the order of transformers' processors: temperature, top-k, top-p, min-p. */
function draw(scores: Float32Array, options: Drawing, random: Random): number {
  const { temperature, topK = 0, topP = 1, minP = 0, allowed } = options;
  const top = scores[largest(scores, allowed)] as number;
  const weight = (id: number): number => Math.exp(((scores[id] as number) - top) / temperature);
  // What lies further below the likeliest is never drawn. Without top-p nothing below min-p counts.
  const floor = minP > 0 && topP >= 1 ? top + temperature * Math.log(minP) : top - 50 * temperature;
  const candidates =
    topK > 0 && topK < scores.length
      ? largestOnes(scores, topK, allowed).filter((id) => (scores[id] as number) >= floor)
      : topP < 1
        ? nucleusOf(scores, { top, temperature, topP, allowed })
        : idsFrom(scores, floor, allowed);
  const weights = candidates.map(weight);
  const likely = topK > 0 && topP < 1 ? nucleus(weights, topP) : weights.length;
  // The likeliest token has the weight 1.
  const kept =
    minP > 0 ? candidates.filter((_, i) => i < likely && (weights[i] as number) >= minP) : candidates.slice(0, likely);
  let left = random.uniform() * kept.reduce((sum, id) => sum + weight(id), 0);
  for (const id of kept) {
    left -= weight(id);
    if (left < 0) return id;
  }
  return kept.at(-1) as number;
}

/** How many of the weights, largest first, reach the part `topP` of their sum. */
function nucleus(weights: readonly number[], topP: number): number {
  const enough = topP * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    if (sum >= enough) return i + 1;
  }
  return weights.length;
}

interface Nucleus {
  readonly top: number;
  readonly temperature: number;
  readonly topP: number;
  readonly allowed: Allowed | undefined;
}

/** The likeliest tokens that together have the probability `topP`, likeliest first: only they and few others are sorted. */
function nucleusOf(scores: Float32Array, { top, temperature, topP, allowed }: Nucleus): number[] {
  let total = 0;
  for (let i = 0; i < scores.length; i++)
    if (isIn(allowed, i)) total += Math.exp(((scores[i] as number) - top) / temperature);
  for (let depth = 8; ; depth *= 2) {
    const ids = sorted(scores, idsFrom(scores, top - depth * temperature, allowed));
    let sum = 0;
    for (const [i, id] of ids.entries()) {
      sum += Math.exp(((scores[id] as number) - top) / temperature);
      if (sum >= topP * total) return ids.slice(0, i + 1);
    }
    if (ids.length === scores.length || depth > 1000) return ids;
  }
}

/** Ids of the scores not below `floor`, in order. */
function idsFrom(scores: Float32Array, floor: number, allowed?: Allowed): number[] {
  const ids: number[] = [];
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) >= floor && isIn(allowed, i)) ids.push(i);
  return ids;
}

/** Largest score first; among equals the smaller id. */
function sorted(scores: Float32Array, ids: number[]): number[] {
  return ids.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
}

/** Ids of the `count` largest scores, largest first. */
function largestOnes(scores: Float32Array, count: number, allowed?: Allowed): number[] {
  let best: number[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if ((best.length >= count && !(score > least)) || !isIn(allowed, i)) continue;
    best.push(i);
    // Sorted only now and then: what has fallen out by then is few.
    if (best.length >= 2 * count + 64) {
      best = sorted(scores, best).slice(0, count);
      least = scores[best[count - 1] as number] as number;
    }
  }
  return sorted(scores, best).slice(0, count);
}

function logSumExp(scores: Float32Array): number {
  const top = scores[largest(scores)] as number;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp((scores[i] as number) - top);
  return top + Math.log(sum);
}
