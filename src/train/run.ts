/** Runs the stages of a run file: loads the model, trains, and writes the trained model or adapter. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dataset, openDataset } from '../data/index.js';
import {
  asSystem,
  folderOf,
  type LoadOptions,
  layeredWeights,
  load,
  type Model,
  saveModel,
  writeAdapter,
} from '../model/index.js';
import { lora, type System } from '../system/index.js';
import { type HostArray, QuintetError } from '../tensor/index.js';
import { checkOptimizer } from './optimisers/index.js';
import { type RunFile, type RunStage, readRunFile, runOf, startOf } from './run-file.js';
import { sampleBatches } from './samples.js';
import { planStep } from './step.js';
import { type BatchSource, type StepReport, type TrainResult, train } from './train.js';

export interface RunOptions extends Pick<LoadOptions, 'engine' | 'session' | 'hub'> {
  /** In place of the run file's. */
  readonly output?: string;
  /** In place of every stage's length. */
  readonly steps?: number;
  /** Told before a stage begins. */
  readonly onStage?: (stage: RunStage, plan: StagePlan) => void;
  readonly onStep?: (stage: RunStage, report: StepReport) => void;
  /** Told of samples that cannot be used, and of damaged checkpoints. */
  readonly onNotice?: (error: QuintetError) => void;
  readonly clock?: () => number;
  /** Ends the run after the step in flight, with a checkpoint. */
  readonly signal?: AbortSignal;
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
}

/** Runs a run file to its end, or on from where it was stopped. */
export async function runFile(path: string, options: RunOptions = {}): Promise<RunResult> {
  const file = await readRunFile(path);
  const { model: source, fresh, seed } = startOf(file, path);
  const model = asSystem(await load(source, { ...options, ...(fresh ? { fresh: seed } : {}) }));
  try {
    const run = runOf(file, path, model.network.stages);
    // What cannot be saved at the end is not begun.
    if (!run.stages.at(-1)?.lora) folderOf(model);
    return await runStages(model, { ...run, output: options.output ?? run.output }, options);
  } finally {
    await model.close();
  }
}

async function runStages(model: Model<System>, run: RunFile, options: RunOptions): Promise<RunResult> {
  checkAdapters(run.stages);
  const stages = await prepareStages(model, run, options);
  try {
    let values: Record<string, HostArray> = {};
    for (const [index, prepared] of stages.entries()) {
      const weights = layeredWeights(model.weights, new Map(Object.entries(values)), run.seed + index);
      const trained = await runStage({ ...model, weights }, prepared, options);
      if (trained.stopped) return { stopped: true };
      values = { ...values, ...trained.values };
    }
    return { stopped: false, folder: await saveRun(model, run, values) };
  } finally {
    for (const { dataset } of stages) await dataset.close();
  }
}

/** Writes the trained model, or the adapter of a last stage that trains one; returns the folder. */
async function saveRun(model: Model<System>, run: RunFile, values: Record<string, HostArray>): Promise<string> {
  const settings = run.stages.at(-1)?.lora;
  const folder = join(run.output, settings ? 'adapter' : 'model');
  if (settings) {
    const base = { network: model.network, declarations: model.declarations, base: model.path ?? run.model };
    await writeAdapter(folder, base, settings, new Map(Object.entries(values)));
  } else await saveModel(model, folder, { values });
  return folder;
}

/** A stage whose data is open, and that nothing is known to be wrong with. */
interface PreparedStage {
  readonly stage: RunStage;
  readonly dataset: Dataset;
  readonly data: BatchSource;
  readonly adapt: Model['adapt'];
  readonly train: readonly string[];
  readonly steps: number;
  readonly folder: string;
}

/** Opens the data of every stage and traces every stage: what is wrong with the last one is told before the first begins. */
async function prepareStages(model: Model<System>, run: RunFile, options: RunOptions): Promise<PreparedStage[]> {
  const prepared: PreparedStage[] = [];
  try {
    for (const [index, stage] of run.stages.entries()) {
      if (stage.pictures !== undefined) await requireFolder(stage.pictures);
      const dataset = await openDataset(stage.data, stage.pictures === undefined ? {} : { pictures: stage.pictures });
      const adapter = stage.lora && lora(stage.lora);
      const { length, batch } = stage;
      const whole = 'steps' in length ? length.steps : Math.ceil((length.epochs * dataset.count) / batch);
      const own: PreparedStage = {
        ...{ stage, dataset, data: batchesOf(model, stage, { dataset, seed: run.seed + index, options }) },
        adapt: adapter?.adapt ?? model.adapt,
        train: [...(adapter?.parameters ?? []), ...stage.train],
        steps: options.steps ?? whole,
        folder: join(run.output, stage.name),
      };
      prepared.push(own);
      checkStage(model, own);
    }
    return prepared;
  } catch (error) {
    for (const { dataset } of prepared) await dataset.close();
    throw error;
  }
}

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new QuintetError('not-found', 'no such folder of pictures', { at: path });
}

function checkStage({ network }: Model, { stage, data, adapt, train, steps }: PreparedStage): void {
  try {
    checkOptimizer(stage.optimizer, steps, 'optimizer');
    planStep({ network, adapt }, { objective: stage.objective, train, fields: data.fields });
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    throw new QuintetError(error.code, error.message, { at: `stage ${stage.name}`, cause: error });
  }
}

/** An adapter that later stages did not know of would be lost. */
function checkAdapters(stages: readonly RunStage[]): void {
  const settings = stages.map(({ lora }) => JSON.stringify(lora));
  const first = settings.findIndex((own) => own !== undefined);
  const other = first < 0 ? undefined : stages.find((_, i) => i > first && settings[i] !== settings[first]);
  if (!other) return;
  throw new QuintetError('config', 'stages after one with LoRA need the same LoRA settings', {
    at: `stage ${other.name}`,
    hint: 'train the adapter last, or merge it and start another run',
  });
}

interface StageData {
  readonly dataset: Dataset;
  readonly seed: number;
  readonly options: RunOptions;
}

function batchesOf(
  model: Model<System>,
  { batch, microBatch, longest }: RunStage,
  { dataset, seed, options: { onNotice } }: StageData,
): BatchSource {
  return sampleBatches(model, dataset, {
    batch,
    seed,
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(longest === undefined ? {} : { longest }),
    ...(onNotice ? { onBad: onNotice } : {}),
  });
}

function runStage(model: Model<System>, prepared: PreparedStage, options: RunOptions): Promise<TrainResult> {
  const { stage, dataset, steps, folder, data, adapt } = prepared;
  const { onStage, onStep, onNotice, clock, signal } = options;
  onStage?.(stage, { samples: dataset.count, steps, folder });
  return train(
    { ...model, adapt },
    {
      objective: stage.objective,
      optimizer: stage.optimizer,
      ...{ train: prepared.train, steps, data, folder },
      ...(stage.saveEvery === undefined ? {} : { saveEvery: stage.saveEvery }),
      ...(onStep ? { onStep: (report) => onStep(stage, report) } : {}),
      ...(onNotice ? { onDamaged: onNotice } : {}),
      ...(clock ? { clock } : {}),
      ...(signal ? { signal } : {}),
    },
  );
}
