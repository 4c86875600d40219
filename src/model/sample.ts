/** Choosing the next token from its scores. */

import type { Random } from '../tensor/index.js';

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
}

export interface Choice {
  readonly id: number;
  /** Natural logarithm of the token's probability under the model itself, before any of the options. */
  readonly logprob: number;
}

/** One token for a row of scores, which is left as it is. `seen` are the row's tokens so far. */
export function choose(scores: Float32Array, options: SamplingOptions, seen: Iterable<number>, random: Random): Choice {
  const { temperature = 0, repetitionPenalty = 1 } = options;
  const penalised = repetitionPenalty === 1 ? scores : penalise(scores, seen, repetitionPenalty);
  const id = temperature === 0 ? largest(penalised) : draw(penalised, { ...options, temperature }, random);
  return { id, logprob: (scores[id] as number) - logSumExp(scores) };
}

export function largest(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
  return best;
}

/** The `count` likeliest tokens, likeliest first. */
export function likeliest(scores: Float32Array, count: number): Choice[] {
  const norm = logSumExp(scores);
  return ranked(scores, count).map((id) => ({ id, logprob: (scores[id] as number) - norm }));
}

function penalise(scores: Float32Array, seen: Iterable<number>, penalty: number): Float32Array {
  const result = scores.slice();
  for (const id of new Set(seen)) {
    const score = result[id];
    if (score !== undefined) result[id] = score > 0 ? score / penalty : score * penalty;
  }
  return result;
}

type Drawing = SamplingOptions & { readonly temperature: number };

/** In the order of transformers' processors: temperature, top-k, top-p, min-p. */
function draw(scores: Float32Array, { temperature, topK = 0, topP = 1, minP = 0 }: Drawing, random: Random): number {
  const top = scores[largest(scores)] as number;
  // What lies this far below the likeliest is never drawn, and need not be ranked. Without top-p nothing below min-p counts.
  const floor = minP > 0 && topP >= 1 ? top + temperature * Math.log(minP) : top - 50 * temperature;
  const candidates = ranked(scores, topK > 0 ? Math.min(topK, scores.length) : scores.length, floor);
  const weights = candidates.map((id) => Math.exp(((scores[id] as number) - top) / temperature));
  const likely = topP < 1 ? nucleus(weights, topP) : weights.length;
  // The likeliest token has the weight 1.
  const kept = minP > 0 ? weights.slice(0, likely).filter((weight) => weight >= minP).length : likely;
  let left = random.uniform() * total(weights, kept);
  for (let i = 0; i < kept; i++) {
    left -= weights[i] as number;
    if (left < 0) return candidates[i] as number;
  }
  return candidates[kept - 1] as number;
}

/** How many of the weights, largest first, reach the part `topP` of their sum. */
function nucleus(weights: readonly number[], topP: number): number {
  const enough = topP * total(weights, weights.length);
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    if (sum >= enough) return i + 1;
  }
  return weights.length;
}

function total(weights: readonly number[], count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[i] as number;
  return sum;
}

/** The ids of the `count` largest scores not below `floor`, largest first; among equals the smaller id. */
function ranked(scores: Float32Array, count: number, floor = Number.NEGATIVE_INFINITY): number[] {
  const ids: number[] = [];
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) >= floor) ids.push(i);
  ids.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return ids.slice(0, count);
}

function logSumExp(scores: Float32Array): number {
  const top = scores[largest(scores)] as number;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp((scores[i] as number) - top);
  return top + Math.log(sum);
}
