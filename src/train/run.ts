/** Runs the stages of a run file: loads the model, trains, and writes the trained model or adapter. */

import { join } from 'node:path';
import { openDataset } from '../data/index.js';
import {
  asSystem,
  createProcessor,
  folderOf,
  type LoadOptions,
  layeredWeights,
  load,
  type Model,
  saveModel,
  writeAdapter,
} from '../model/index.js';
import { type Adapter, lora, type System } from '../system/index.js';
import { type HostArray, QuintetError } from '../tensor/index.js';
import { type RunFile, type RunStage, readRunFile, runOf, startOf } from './run-file.js';
import { sampleBatches } from './samples.js';
import { type StepReport, type TrainResult, train } from './train.js';

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
  let values: Record<string, HostArray> = {};
  for (const [index, stage] of run.stages.entries()) {
    const folder = join(run.output, stage.name);
    const adapter = stage.lora && lora(stage.lora);
    const weights = layeredWeights(model.weights, new Map(Object.entries(values)), run.seed + index);
    const trained = await runStage({ ...model, weights, adapt: adapter?.adapt ?? model.adapt }, stage, {
      ...options,
      ...{ adapter, folder, seed: run.seed + index },
    });
    if (trained.stopped) return { stopped: true };
    values = { ...values, ...trained.values };
    if (stage.lora && index === run.stages.length - 1) {
      const adapterFolder = join(run.output, 'adapter');
      const base = { network: model.network, declarations: model.declarations, base: model.path ?? run.model };
      await writeAdapter(adapterFolder, base, stage.lora, new Map(Object.entries(values)));
      return { stopped: false, folder: adapterFolder };
    }
  }
  const folder = join(run.output, 'model');
  await saveModel(model, folder, { values });
  return { stopped: false, folder };
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

interface StageOptions extends RunOptions {
  readonly adapter: Adapter | undefined;
  readonly folder: string;
  readonly seed: number;
}

async function runStage(model: Model<System>, stage: RunStage, options: StageOptions): Promise<TrainResult> {
  const { adapter, folder, seed, onStage, onStep, onNotice, clock, signal } = options;
  const dataset = await openDataset(stage.data, stage.pictures === undefined ? {} : { pictures: stage.pictures });
  try {
    const processor = createProcessor(model);
    const { batch, microBatch, longest, length, saveEvery } = stage;
    const whole = 'steps' in length ? length.steps : Math.ceil((length.epochs * dataset.count) / batch);
    const steps = options.steps ?? whole;
    onStage?.(stage, { samples: dataset.count, steps, folder });
    const data = sampleBatches(model.network, processor, dataset, {
      batch,
      seed,
      ...(microBatch === undefined ? {} : { microBatch }),
      ...(longest === undefined ? {} : { longest }),
      ...(onNotice ? { onBad: onNotice } : {}),
    });
    return await train(model, {
      objective: stage.objective,
      train: [...(adapter?.parameters ?? []), ...stage.train],
      optimizer: stage.optimizer,
      ...{ steps, data, folder },
      ...(saveEvery === undefined ? {} : { saveEvery }),
      ...(onStep ? { onStep: (report) => onStep(stage, report) } : {}),
      ...(onNotice ? { onDamaged: onNotice } : {}),
      ...(clock ? { clock } : {}),
      ...(signal ? { signal } : {}),
    });
  } finally {
    await dataset.close();
  }
}
