/** The stages of a run as they are before the first begins: their data open, and nothing known to be wrong with any. */

import { join } from 'node:path';
import { badSamplesReport, type Dataset } from '../data/index.js';
import { asSystem, isSystem, type Model } from '../model/index.js';
import type { Declaration } from '../nn/index.js';
import { alone } from '../parallel/group.js';
import { isSystem as isSystemNetwork } from '../system/index.js';
import { closeAll, closeOnFailure, placed, QuintetError } from '../tensor/index.js';
import { type FrozenWay, keptWay } from './kept-features.js';
import { endingIn } from './log-record.js';
import { checkOptimizer, checkTensors } from './optimisers/index.js';
import { createPictureMemory, type PictureMemory } from './picture-memory.js';
import type { RunOptions } from './run.js';
import type { RunFile, RunStage } from './run-file.js';
import { readRunLog } from './run-log.js';
import type { BegunModel } from './saved-adapter.js';
import { around, checkAdapted } from './settings/adapted.js';
import { type Learning, learningIn } from './settings/adapter.js';
import { openSources } from './settings/data.js';
import { stageBatches } from './stage-batches.js';
import { prepareEvaluation, type StageEvaluation } from './stage-evaluation.js';
import { fittedStage } from './stage-memory.js';
import { checkFrozen, planStep, type Reference, type StepOptions } from './step.js';
import { type BatchSource, checkBatches } from './train.js';

/** A stage whose data is open, and that nothing is known to be wrong with. */
export interface PreparedStage extends Learning {
  readonly stage: RunStage;
  readonly dataset: Dataset;
  readonly data: BatchSource;
  readonly adapt: Model['adapt'];
  readonly reference?: Reference;
  readonly train: readonly string[];
  readonly steps: number;
  readonly folder: string;
  /** What learns. */
  readonly trained: readonly Declaration[];
  /** The part of a picture's way that is kept. */
  readonly kept?: FrozenWay;
  /** What becomes of which pictures, in all stages. */
  readonly memory: PictureMemory;
  readonly evaluation?: StageEvaluation;
}

/** Closes the data of all stages, whether or not one of them cannot be. */
export function closeStages(stages: readonly Pick<PreparedStage, 'data' | 'dataset' | 'evaluation'>[]): Promise<void> {
  return closeAll(
    ...stages.flatMap(({ data, dataset, evaluation: { heldOut } = {} }) => [
      ...[data, dataset],
      ...[heldOut?.data, heldOut?.dataset],
    ]),
  );
}

/**
 * Opens the data of every stage and traces every stage: what is wrong with the last one is told before the first begins. `saved` is
 * the adapter that the run begins with.
 */
export async function prepareStages(
  { model, saved }: BegunModel,
  run: RunFile,
  options: RunOptions,
): Promise<PreparedStage[]> {
  const prepared: PreparedStage[] = [];
  const open = { close: () => closeStages(prepared) };
  const memory = createPictureMemory();
  return closeOnFailure([open], async () => {
    for (const [index, asked] of run.stages.entries()) {
      try {
        const dataset = await openSources(asked.data);
        const own = await closeOnFailure([dataset], () =>
          openStage(model, asked, { run, index, dataset, saved, memory, options }),
        );
        prepared.push(own);
        const checked = { ...own, ...checkStage(model, own) };
        const evaluation = await evaluationOf(model, own.stage, options);
        prepared[index] = { ...checked, ...(evaluation ? { evaluation } : {}) };
      } catch (error) {
        throw placed(error, asked.at);
      }
    }
    for (const stage of prepared.slice(await stagesOver(prepared))) await checkSamples(stage);
    return prepared;
  });
}

interface Opening {
  readonly run: RunFile;
  /** Which stage of the run it is. */
  readonly index: number;
  readonly dataset: Dataset;
  readonly saved: BegunModel['saved'];
  readonly memory: PictureMemory;
  readonly options: RunOptions;
}

/** A stage over its dataset, of which nothing is checked yet. */
async function openStage(model: Model, asked: RunStage, opening: Opening): Promise<PreparedStage> {
  const { run, index, dataset, saved, memory, options } = opening;
  const { length, batch } = asked;
  const { iterations = 1 } = asked.objective;
  const whole = 'steps' in length ? length.steps : iterations * Math.ceil((length.epochs * dataset.count) / batch);
  // The last batch is learnt from as often as the others: a run may be made longer later.
  const steps = iterations * Math.ceil((options.steps ?? whole) / iterations);
  const learns = learningIn(model, asked.adapter, { steps, saved });
  const { adapter, values } = learns;
  const isFirst = run.stages.find((other) => other.adapter) === asked;
  const begins = isFirst && !values && asked.adapter?.kind !== 'own';
  const train = [...(adapter?.parameters ?? []), ...asked.train];
  const stage = await fittedStage(model, asked, { dataset, options, adapter, train });
  const folder = join(run.output, stage.name);
  const { rank } = options.group ?? alone;
  if (batch > dataset.count && rank === 0) {
    const why = `a step of ${batch} has some of the ${dataset.count} samples more than once`;
    options.onNotice?.(new QuintetError('config', why, { at: `${asked.at}: batch` }));
  }
  const onBad = badSamplesReport(join(folder, rank === 0 ? 'bad-samples.jsonl' : `bad-samples.${rank}.jsonl`));
  const lengths = stage.groupByLength ? { lengths: await dataset.lengths() } : {};
  const data = await batchesOf(model, stage, { dataset, seed: run.seed + index, memory, options, onBad, ...lengths });
  return {
    ...{ stage, dataset, data, memory, folder, train, steps, trained: [] },
    adapt: adapter?.adapt ?? model.adapt,
    ...learns,
    // What an adapter has learnt before the stage belongs to the reference.
    reference: begins ? { adapt: model.adapt } : { adapt: adapter?.adapt ?? model.adapt, around: true },
  };
}

async function evaluationOf(model: Model, stage: RunStage, options: RunOptions): Promise<StageEvaluation | undefined> {
  const { evaluation: settings, batch, microBatch = batch } = stage;
  if (!settings) return undefined;
  if (settings.samples.length > 0) asSystem(model);
  return prepareEvaluation(
    { settings, images: isSystem(model) && model.network.image !== undefined },
    {
      open: ({ data }) => openSources(data),
      batches: (dataset, size) =>
        batchesOf(model, { ...stage, batch: size, microBatch: size }, { dataset, seed: 0, options, once: true }),
      batch: microBatch,
    },
  );
}

/** Traces a stage: what learns in it, and what of a picture's way is kept. */
function checkStage(model: Model, prepared: PreparedStage): Pick<PreparedStage, 'trained' | 'kept'> {
  const { network } = model;
  const { stage, adapt, steps } = prepared;
  if (stage.adapter && prepared.adapter) checkAdapted(network, stage.adapter, prepared.adapter);
  checkOptimizer(stage.optimizer, steps, 'optimizer');
  checkBatches(stage.objective, prepared.data);
  checkFrozen(model, stage.frozen);
  const own = around(network, prepared.adapter);
  if (stage.packing && stage.objective.alone) {
    throw new QuintetError('config', `${stage.objective.name} learns of one sample a row`, { at: 'packing' });
  }
  if (stage.packing && isSystemNetwork(own) && own.virtual) {
    throw new QuintetError('config', 'the virtual tokens of its adapter stand before one sample a row', {
      at: 'packing',
    });
  }
  const kept = keptWay({ network: own, adapt }, { ...prepared, steps: batchesIn(prepared) });
  const { trained } = planStep({ network: own, adapt }, stepOptions(prepared));
  checkTensors(stage.optimizer, trained, 'optimizer');
  return { trained, ...(kept ? { kept } : {}) };
}

/** How many stages, from the first one on, are over by their logs: what they have learnt from may be gone. */
async function stagesOver(stages: readonly PreparedStage[]): Promise<number> {
  for (const [index, { folder, steps }] of stages.entries()) {
    // A stage without a log has not begun.
    const records = await readRunLog(join(folder, 'log.jsonl')).catch(() => []);
    const done = records.at(-1)?.step ?? 0;
    if (done < steps && !endingIn(records)?.early) return index;
  }
  return stages.length;
}

/** What is wrong with all samples of a stage, or of its evaluation, is told before the first one begins. */
async function checkSamples({ stage: { at }, data, evaluation }: PreparedStage): Promise<void> {
  const own: [string, BatchSource | undefined][] = [
    [at, data],
    [`${at}: evaluate`, evaluation?.heldOut?.data],
  ];
  for (const [place, source] of own) {
    await source?.check?.().catch((error) => {
      throw placed(error, place);
    });
  }
}

/** How many batches the steps of a stage learn from. */
export const batchesIn = ({ steps, stage: { objective } }: Pick<PreparedStage, 'steps' | 'stage'>): number =>
  steps / (objective.iterations ?? 1);

export function stepOptions(
  { stage, data, train, reference, adapter }: PreparedStage,
  { group }: RunOptions = {},
): StepOptions {
  return {
    ...{ objective: stage.objective, train, fields: data.fields, frozen: stage.frozen, recompute: stage.recompute },
    ...(reference ? { reference } : {}),
    ...(adapter?.penalty ? { penalty: adapter.penalty } : {}),
    ...(group ? { group } : {}),
  };
}

interface StageData {
  readonly dataset: Dataset;
  readonly seed: number;
  readonly memory?: PictureMemory;
  readonly options: RunOptions;
  /** Whether each sample comes once, in the order of the file. */
  readonly once?: boolean;
  /** Where like lengths go into one batch. */
  readonly lengths?: readonly number[];
  /** Told of samples that cannot be used, before anybody else is. */
  readonly onBad?: (error: QuintetError) => void;
}

function batchesOf(
  model: Model,
  { batch, microBatch, longest, badShare, form, packing }: RunStage,
  { dataset, seed, memory, once = false, lengths, onBad, options: { onNotice, group, hub } }: StageData,
): Promise<BatchSource> {
  return stageBatches(model, dataset, form, {
    ...{ batch, seed, once },
    ...(memory ? { memory } : {}),
    ...(hub ? { hub } : {}),
    // What is evaluated is shared batch by batch.
    ...(group && !once ? { share: group } : {}),
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(longest === undefined ? {} : { longest }),
    ...(packing ? { packing } : {}),
    ...(lengths ? { lengths } : {}),
    ...(badShare === undefined ? {} : { badShare }),
    onBad(error) {
      onBad?.(error);
      onNotice?.(error);
    },
  });
}
