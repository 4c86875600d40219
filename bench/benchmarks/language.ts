/** The language models that the benchmarks run: SmolLM2-135M-Instruct in the forms that each program reads. */

import { join } from 'node:path';
import type { Contender, Settings } from '../harness/benchmark.js';
import { cacheFolder, models } from '../harness/paths.js';

const threads = 2;
export const lengths = [64, 512, 1024] as const;
export const answerTokens = 48;
const capacity = 1280;

/** Packed weights of the benchmarks, apart from the user's own. */
export const packedFolder = join(cacheFolder, 'packed');

function quintet(name: string, settings: Pick<Settings, 'path' | 'weights' | 'kvCache'>): Contender {
  return {
    name: `Quintet ${name}`,
    program: 'quintet',
    settings: { ...settings, threads },
    environment: { QUINTET_CACHE: packedFolder },
  };
}

function llamaCpp(name: string, path: string, flashAttention = true): Contender {
  return {
    name: `llama.cpp ${name}`,
    program: 'llama-cpp',
    needs: 'node-llama-cpp',
    settings: { path, flashAttention, threads, capacity },
  };
}

function transformersJs(dtype: 'q4' | 'fp32', path: string): Contender {
  return {
    name: `transformers.js ${dtype}`,
    program: 'transformers-js',
    needs: '@huggingface/transformers',
    settings: { path, dtype, threads },
  };
}

export const ours = {
  /** The published file as it is: exact blocks of four bits, prompts in eight bits. */
  q4_1: quintet('Q4_1', { path: models.q4_1 }),
  int4: quintet('Q4_1 int4', { path: models.q4_1, weights: 'int4' }),
  /** The same two with keys and values in eight bits. */
  q4_1Cache: quintet('Q4_1, int8 cache', { path: models.q4_1, kvCache: 'int8' }),
  int4Cache: quintet('Q4_1 int4, int8 cache', { path: models.q4_1, weights: 'int4', kvCache: 'int8' }),
  q8_0: quintet('Q8_0', { path: models.q8_0 }),
  f32: quintet('F32', { path: models.f32, weights: 'f32' }),
  bf16: quintet('BF16 safetensors', { path: models.bf16 }),
} as const;

export const theirs = {
  /** node-llama-cpp leaves flash attention off, llama.cpp's own programs do not. */
  llamaDefault: llamaCpp('Q4_1, no flash attention', models.q4_1, false),
  llamaQ4: llamaCpp('Q4_1', models.q4_1),
  llamaQ8: llamaCpp('Q8_0', models.q8_0),
  llamaF32: llamaCpp('F32', models.f32),
  tjsQ4: transformersJs('q4', models.onnxQ4),
  tjsF32: transformersJs('fp32', models.onnxF32),
} as const;

export const all: readonly Contender[] = [...Object.values(ours), ...Object.values(theirs)];

/** Without forms that differ in nothing but how they are loaded. */
export const answering = all.filter((contender) => contender !== ours.bf16);

/** Without forms that differ in nothing but how keys and values are held. */
export const loaded = all.filter(({ settings }) => settings.kvCache === undefined);

/** Pairs of names. */
export function pairsOf(pairs: readonly (readonly [Contender, Contender])[]): (readonly [string, string])[] {
  return pairs.map(([a, b]) => [a.name, b.name]);
}

export const sameWeights = pairsOf([
  [ours.q4_1Cache, ours.q4_1],
  [ours.int4Cache, ours.int4],
  [ours.q4_1Cache, theirs.llamaQ4],
  [ours.int4Cache, theirs.llamaQ4],
]);

export const sameForm = pairsOf([
  [ours.q4_1, theirs.llamaDefault],
  [ours.q4_1, theirs.llamaQ4],
  [ours.q4_1, theirs.tjsQ4],
  [ours.q8_0, theirs.llamaQ8],
  [ours.f32, theirs.llamaF32],
  [ours.f32, theirs.tjsF32],
]);
