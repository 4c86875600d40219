/** As many samples at once as fit into memory. */

import type { Dataset } from '../../data/index.js';
import type { Model } from '../../model/index.js';
import { alone, largestPart } from '../../parallel/group.js';
import type { HostArrays, Optimizer, Pruning } from '../../system/index.js';
import { formatBytes, QuintetError } from '../../tensor/index.js';
import { prepareStep, type StepOptions } from '../step.js';
import type { BatchSource } from '../train.js';
import { learningBy, memoryOf, usualProcess } from './memory.js';

export interface FitOptions {
  /** What the stage minimises, and how. */
  readonly step: StepOptions;
  readonly optimizer: Optimizer;
  /** What is cut after each step; default nothing. */
  readonly pruning?: Pruning | undefined;
  /** The most bytes that the process may have in memory. */
  readonly limit: number;
  /** Samples a step. */
  readonly batch: number;
  /** Bytes that the process has in memory; default what one with a small model has. */
  readonly memory?: () => number;
  /** A step of the longest samples (`longestSamples`), of which so many are computed at once. */
  readonly largest: (microBatch: number) => Promise<readonly HostArrays[]>;
  /** Bytes that making these micro-batches takes besides them; default none. */
  readonly beside?: BatchSource['memory'];
}

export interface Fit {
  readonly microBatch: number;
  /** As it was asked for, or because not even one sample would fit without. */
  readonly recompute: boolean;
  /** Bytes that are expected at the most. */
  readonly memory: number;
}

/** The largest part of a batch whose estimated memory is within the limit. Throws 'limit' where not even one sample is. */
export async function fitToMemory(model: Model, options: FitOptions): Promise<Fit> {
  // All processes do the same.
  const all = await (options.step.group ?? alone).gather(await fitOf(model, options));
  return {
    microBatch: Math.min(...all.map((own) => own.microBatch)),
    recompute: all.some((own) => own.recompute),
    memory: Math.max(...all.map((own) => own.memory)),
  };
}

async function fitOf(model: Model, options: FitOptions): Promise<Fit> {
  const { step, limit } = options;
  let least = Number.POSITIVE_INFINITY;
  for (const recompute of step.recompute ? [true] : [false, true]) {
    const found = await tryAll(model, { ...options, step: { ...step, recompute } });
    if ('microBatch' in found) return { ...found, recompute };
    least = Math.min(least, found.memory);
  }
  throw tooLittle(least, limit);
}

/** The largest micro-batch that fits, or the memory of the smallest one. */
async function tryAll(model: Model, options: FitOptions): Promise<Omit<Fit, 'recompute'> | Pick<Fit, 'memory'>> {
  const { step, optimizer, pruning, limit, batch, memory: meter = () => usualProcess, largest, beside } = options;
  const { objective, group = alone } = step;
  const prepared = await prepareStep(model, step);
  const own = largestPart(batch, group);
  let memory = Number.POSITIVE_INFINITY;
  for (const microBatch of objective.whole ? [own] : divisorsOf(own)) {
    const batches = await largest(microBatch);
    // What tracing took stays with the process.
    const learning = { objective, optimizer, pruning, batches };
    const making = beside?.(batches, learningBy(model, prepared));
    memory = memoryOf(model, prepared, { ...learning, before: meter(), beside: making });
    if (memory <= limit) return { microBatch, memory };
  }
  return { memory };
}

/** From the largest to 1. */
function divisorsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => count - i).filter((part) => count % part === 0);
}

function tooLittle(least: number, limit: number): QuintetError {
  return new QuintetError(
    'limit',
    `the least that is expected, a sample at a time with blocks computed again, is ${formatBytes(least)}; the limit is ${formatBytes(limit)}`,
    {
      at: 'memory',
      hint: 'allow more; or try shorter samples (longest), weights that do not learn in fewer bits (frozen: int8, nf4), an adapter in place of whole weights',
    },
  );
}

/**
 * The longest samples of a dataset, as many as a step has, as a dataset of their own. Where each must be read for its length,
 * they are the longest of about `most`, spread evenly; default of all.
 */
export async function longestSamples(
  dataset: Dataset,
  count: number,
  most = Number.POSITIVE_INFINITY,
): Promise<Dataset> {
  const some = most < dataset.count ? await dataset.someLengths?.(most) : undefined;
  const all = some ? [] : await dataset.lengths();
  const lengthOf = (index: number): number => some?.get(index) ?? (all[index] as number);
  const indices = (some ? [...some.keys()] : all.map((_, index) => index)).sort((a, b) => lengthOf(b) - lengthOf(a));
  const kept = indices.slice(0, count);
  const place = (index: number): number => kept[index] as number;
  return {
    ...{ path: dataset.path, count: kept.length },
    where: (index) => dataset.where(place(index)),
    read: (index) => dataset.read(place(index)),
    lengths: async () => kept.map(lengthOf),
    // The dataset is closed by whoever opened it.
    close: async () => {},
  };
}
