/** A stage by the memory that it may take, and the largest step that it will meet. */

import type { Dataset } from '../data/index.js';
import type { Model } from '../model/index.js';
import { alone, largestPart } from '../parallel/group.js';
import type { Adapter, HostArrays } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import { fitToMemory, longestSamples } from './estimate/fit.js';
import type { RunOptions } from './run.js';
import type { RunStage } from './run-file.js';
import { around } from './settings/adapted.js';
import { stageBatches } from './stage-batches.js';
import type { BatchSource } from './train.js';

export interface StageData {
  readonly dataset: Dataset;
  readonly options: Pick<RunOptions, 'memory' | 'group' | 'hub'>;
}

export interface LargestStep {
  readonly fields: readonly string[];
  readonly batches: readonly HostArrays[];
  readonly beside: BatchSource['memory'];
}

/** Samples whose lengths are read for what is only told; what a limit is kept to is the longest of all. */
const mostLookedAt = 1000;

/** A step of a stage's longest samples; undefined where answers are drawn anew, whose length nobody knows. */
export async function largestStep(
  model: Model,
  { form, batch, microBatch, longest, packing }: RunStage,
  { dataset, options: { group = alone, hub } }: StageData,
  most = mostLookedAt,
): Promise<LargestStep | undefined> {
  if (form.kind === 'prompts') return undefined;
  const own = largestPart(batch, group);
  const source = await stageBatches(model, await longestSamples(dataset, own, most), form, {
    ...{ batch: own, packing, badShare: 1, sizesOnly: true },
    ...(hub ? { hub } : {}),
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(longest === undefined ? {} : { longest }),
  });
  try {
    return { fields: source.fields, batches: await source.take(0), beside: source.memory };
  } finally {
    await source.close?.();
  }
}

/** The stage with as many samples at once as fit into its memory; as it is where it does not say how much it may take. */
export async function fittedStage(
  model: Model,
  stage: RunStage,
  { adapter, train, ...data }: StageData & { readonly adapter: Adapter | undefined; readonly train: readonly string[] },
): Promise<RunStage> {
  const { memory: limit, batch, optimizer, objective, frozen, recompute } = stage;
  if (limit === undefined) return stage;
  const { memory, group } = data.options;
  const largest = async (microBatch: number): Promise<LargestStep> => {
    const step = await largestStep(model, { ...stage, microBatch }, data, Number.POSITIVE_INFINITY);
    if (step) return step;
    throw new QuintetError('config', 'answers that are drawn anew are as long as they come', {
      at: 'memory',
      hint: 'give microBatch in its place',
    });
  };
  const { fields, beside } = await largest(1);
  const { penalty, pruning, adapt = model.adapt } = adapter ?? {};
  const fit = await fitToMemory(
    { ...model, adapt, network: around(model.network, adapter) },
    {
      step: {
        ...{ objective, train, fields, frozen, recompute },
        ...(penalty ? { penalty } : {}),
        ...(group ? { group } : {}),
      },
      ...{ optimizer, limit, batch },
      pruning,
      ...(memory ? { memory } : {}),
      ...(beside ? { beside } : {}),
      largest: async (size) => (await largest(size)).batches,
    },
  );
  return { ...stage, microBatch: fit.microBatch, recompute: fit.recompute };
}
