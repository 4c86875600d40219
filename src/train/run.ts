/** Runs the stages of a run file: loads the model, trains, and writes the trained model or adapter. */

import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkDestination } from '../checkpoint/index.js';
import { asSystem, begunValues, isSystem, type LoadOptions, layeredWeights, load, type Model } from '../model/index.js';
import { alone, type ProcessGroup } from '../parallel/group.js';
import { isRewardSystem } from '../system/index.js';
import { type HostArray, QuintetError } from '../tensor/index.js';
import { type OpenRecord, openRecord } from './begin-record.js';
import type { Estimate } from './estimate/forecast.js';
import type { Evaluated } from './evaluations.js';
import { type KeptFeatures, keptFeatures } from './kept-features.js';
import type { Ended } from './log-record.js';
import { batchesIn, closeStages, type PreparedStage, prepareStages, stepOptions } from './prepared-stages.js';
import { valuesDigest } from './resume.js';
import { rewardStages } from './reward-stages.js';
import { outputOf, type RunFile, type RunStage, readRunFile, runOf, startOf } from './run-file.js';
import { baseOf, checkSaving, saveRun } from './save-run.js';
import { openSaved } from './saved-adapter.js';
import { around, checkAdapters } from './settings/adapted.js';
import { trialOf } from './settings/trial.js';
import { evaluationPlan } from './stage-evaluation.js';
import { largestStep } from './stage-memory.js';
import { type StepReport, type TrainResult, train } from './train.js';

export interface RunOptions extends Pick<LoadOptions, 'engine' | 'session' | 'hub'> {
  /** In place of the run file's. */
  readonly output?: string;
  /** In place of every stage's length. */
  readonly steps?: number;
  /** Told before a stage begins. */
  readonly onStage?: (stage: RunStage, plan: StagePlan) => void;
  readonly onStep?: (stage: RunStage, report: StepReport) => void;
  readonly onEvaluation?: (stage: RunStage, evaluation: Evaluated) => void;
  /** Told where early stopping has ended a stage, and which step's values are its result where the best are kept. */
  readonly onEnd?: (stage: RunStage, ended: Ended) => void;
  /** Told what a stage is expected to take, and at its end what it took. */
  readonly onEstimate?: (stage: RunStage, estimate: Estimate) => void;
  /** Told of pictures' features that are computed in order to be kept: of so many of the stage's samples they are there. */
  readonly onFeatures?: (stage: RunStage, progress: FeatureProgress) => void;
  /** Told of samples that cannot be used, of damaged checkpoints, and of what has no room on the disk. */
  readonly onNotice?: (error: QuintetError) => void;
  /** Milliseconds since 1970, for the log; default no times are told. */
  readonly clock?: () => number;
  /** Bytes that the process has in memory, for the log. */
  readonly memory?: () => number;
  /** Ends the run after the step in flight, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** The processes that train together (`joinProcesses`), of which the first one writes; default this one alone. */
  readonly group?: ProcessGroup;
}

/** Samples of a stage whose pictures have been seen. */
export interface FeatureProgress {
  readonly samples: number;
  readonly of: number;
}

/** What a stage is about to do. */
export interface StagePlan {
  readonly samples: number;
  readonly steps: number;
  readonly folder: string;
}

export interface RunResult {
  readonly stopped: boolean;
  /** Where the trained model, or the adapter of the last stage, was written; absent where the run was stopped. */
  readonly folder?: string;
  /** Whether it can be chatted with. */
  readonly answers?: boolean;
  /** What an adapter is for: a folder or a hub name. */
  readonly base?: string;
}

/** Runs a run file to its end, or on from where it was stopped. */
export async function runFile(path: string, options: RunOptions = {}): Promise<RunResult> {
  const file = await readRunFile(path);
  const { model: source, fresh, seed } = startOf(file, path);
  const { group = alone, engine, session, hub } = options;
  if (group.rank === 0) await checkDestination(options.output ?? (await outputOf(path)), 'folder');
  const loaded = await load(source, {
    ...(engine ? { engine } : {}),
    ...(session ? { session } : {}),
    ...(hub ? { hub } : {}),
    ...(fresh ? { fresh: seed } : {}),
  });
  try {
    const { network, pictureAdapter } = loaded;
    const own = { stages: network.stages ?? [], hasAdapter: pictureAdapter !== undefined };
    const run = runOf(file, path, own);
    const { steps } = options;
    const asked = steps === undefined ? run.stages : run.stages.map((stage) => trialOf(stage, steps));
    const { model, stages } = rewardStages(loaded, asked, seed);
    const text = await readFile(path, 'utf8');
    return await runStages(model, { ...run, stages, text, output: resolve(options.output ?? run.output) }, options);
  } finally {
    await loaded.close();
  }
}

/** A run file and what it says word for word. */
export interface Run extends RunFile {
  readonly text: string;
}

async function runStages(own: Model, run: Run, options: RunOptions): Promise<RunResult> {
  const { group = alone } = options;
  checkAdapters(run.stages);
  const begun = await openSaved(own, run);
  const { model } = begun;
  const stages = await prepareStages(begun, run, options);
  try {
    checkSaving(model, run, stages);
    const record = group.rank === 0 ? await openRecord(model, run, stages, options) : undefined;
    const trained = await runAll(model, { run, stages, record }, options).catch(async (error) => {
      await record?.fail(error);
      throw error;
    });
    if (trained.stopped) return trained;
    // What is written stays so, whatever becomes of the other processes.
    const [folder] = await group.gather(trained.folder);
    const base = baseOf(model, run, stages);
    const answers = isSystem(model) && !isRewardSystem(model.network);
    return {
      stopped: false,
      folder: folder as string,
      answers,
      ...(base === undefined ? {} : { base }),
    };
  } finally {
    await closeStages(stages);
  }
}

interface Begun {
  readonly run: Run;
  readonly stages: readonly PreparedStage[];
  /** Of the process that writes. */
  readonly record: OpenRecord | undefined;
}

/** Runs all stages, and writes what they have trained where this process is the one that writes. */
async function runAll(
  model: Model,
  { run, stages, record }: Begun,
  options: RunOptions,
): Promise<Pick<RunResult, 'stopped' | 'folder'>> {
  let before: Record<string, HostArray> = {};
  let beside: Record<string, HostArray> = {};
  for (const [index, prepared] of stages.entries()) {
    const { adapter, values } = prepared;
    const begun = values ?? (adapter ? await begunValues(model, adapter) : []);
    const learnt = Object.entries({ ...before, ...beside });
    const known = new Map([...begun, ...learnt]);
    const weights = layeredWeights(model.weights, known, run.seed + index);
    const own = { ...prepared, earlier: valuesDigest(learnt), onBegin: record?.begin };
    const trained = await runStage({ ...model, weights }, own, options);
    if (trained.stopped) return { stopped: true };
    if (adapter) beside = { ...beside, ...trained.values };
    else before = { ...before, ...trained.values };
  }
  await record?.begin();
  const folder = record ? await saveRun(model, stages, { run, before, beside }) : undefined;
  if (folder !== undefined) await record?.end(basename(folder));
  return { stopped: false, ...(folder === undefined ? {} : { folder }) };
}

/** A stage, and what comes of the run that it is in. */
interface RunningStage extends PreparedStage {
  readonly earlier: string;
  readonly onBegin: OpenRecord['begin'] | undefined;
}

async function runStage(
  model: Model,
  { earlier, onBegin, ...prepared }: RunningStage,
  options: RunOptions,
): Promise<TrainResult> {
  const { stage, dataset, steps, folder, data, adapt, adapter, evaluation } = prepared;
  const { onStage, onStep, onEvaluation, onEnd, onEstimate, onNotice, clock, memory, signal, group } = options;
  onStage?.(stage, { samples: dataset.count, steps, folder });
  const adapted = { ...model, adapt, network: around(model.network, prepared.adapter) };
  const largest = memory && (await largestStep(model, stage, { dataset, options }).catch(passOver));
  const kept = keptOf(adapted, prepared, options);
  const training = train(kept ? { ...adapted, network: kept.network } : adapted, {
    objective: stage.objective,
    optimizer: stage.optimizer,
    ...{ frozen: stage.frozen, recompute: stage.recompute },
    ...{ train: prepared.train, steps, folder, earlier, onBegin },
    data: { ...(kept?.data ?? data), about: { ...data.about, ...taskOf(prepared) } },
    ...(prepared.reference ? { reference: prepared.reference } : {}),
    ...(adapter?.penalty ? { penalty: adapter.penalty } : {}),
    pruning: adapter?.pruning,
    ...(stage.saveEvery === undefined ? {} : { saveEvery: stage.saveEvery }),
    ...(evaluation ? { evaluation: evaluationPlan(adapted, evaluation, stepOptions(prepared, options)) } : {}),
    ...(onEvaluation ? { onEvaluation: (found) => onEvaluation(stage, found) } : {}),
    ...(onEnd ? { onEnd: (ended) => onEnd(stage, ended) } : {}),
    ...(onEstimate ? { onEstimate: (estimate) => onEstimate(stage, estimate) } : {}),
    ...(largest ? { largest: largest.batches } : {}),
    ...(onStep ? { onStep: (report) => onStep(stage, report) } : {}),
    ...(onNotice ? { onNotice } : {}),
    ...(clock ? { clock } : {}),
    ...(memory ? { memory } : {}),
    ...(signal ? { signal } : {}),
    ...(group ? { group } : {}),
  });
  return training.finally(() => kept?.close());
}

/**
 * What is kept of the pictures of a stage, whose samples are told as they are seen for the first time; what the limit has no
 * room for is computed again, which is not told.
 */
function keptOf(model: Model, prepared: PreparedStage, options: RunOptions): KeptFeatures | undefined {
  const { stage, dataset, folder, data, kept, memory } = prepared;
  const { group, onFeatures, onNotice } = options;
  if (!kept) return undefined;
  const of = Math.min(dataset.count, batchesIn(prepared) * stage.batch);
  let samples = 0;
  const tell = (done: number): void => {
    if (samples === of) return;
    samples = Math.min(of, Math.round(done * stage.batch));
    onFeatures?.(stage, { samples, of });
  };
  const { frozen, recompute, cacheFeatures } = stage;
  return keptFeatures(asSystem(model), kept, data, {
    // Another stage may see the same pictures by the same weights.
    ...{ folder: join(dirname(folder), 'features'), limit: cacheFeatures.limit, frozen, recompute, group },
    ...{ memory, onComputed: tell, onFull: onNotice },
  });
}

/** What is wrong with the longest samples is told when their turn comes. */
function passOver(error: unknown): undefined {
  if (!(error instanceof QuintetError)) throw error;
  return undefined;
}

/** What makes a run another one though its parameters are called alike. */
function taskOf({ stage, settings, values }: PreparedStage): Record<string, unknown> {
  const { adapter = null, form, data, memory } = stage;
  // Wherever a saved adapter lies, it is what it has learnt.
  const begun = values ? { kind: 'saved', settings, values: valuesDigest(values) } : adapter;
  const task = { adapter: begun, form, paths: data.map(({ path }) => path) };
  // How a batch is cut may be otherwise when the run goes on: it changes nothing but roundings.
  return memory === undefined ? task : { ...task, microBatch: 'by memory' };
}
