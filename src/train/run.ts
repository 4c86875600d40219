/** Runs the stages of a run file: loads the model, trains, and writes the trained model or adapter. */

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkDestination } from '../checkpoint/index.js';
import { badSamplesReport, type Dataset } from '../data/index.js';
import {
  asSystem,
  begunValues,
  folderOf,
  type LoadOptions,
  layeredWeights,
  learntValues,
  load,
  type Model,
  saveModel,
  writeAdapter,
} from '../model/index.js';
import { alone, type ProcessGroup } from '../parallel/group.js';
import { type Adapter, adapterOf, parameterCount, type System } from '../system/index.js';
import { type HostArray, QuintetError } from '../tensor/index.js';
import { writeCard } from './card.js';
import type { Evaluated } from './evaluations.js';
import { type FrozenWay, keptFeatures, keptWay } from './kept-features.js';
import { checkOptimizer } from './optimisers/index.js';
import { rewardStages } from './reward-stages.js';
import { outputOf, type RunFile, type RunStage, readRunFile, runOf, startOf } from './run-file.js';
import { type RunRecord, readRunRecord, type StageRecord, writeRunRecord } from './run-record.js';
import { checkAdapted } from './settings/adapted.js';
import { settingsIn } from './settings/adapter.js';
import { openSources } from './settings/data.js';
import { trialOf } from './settings/trial.js';
import { stageBatches } from './stage-batches.js';
import { evaluationPlan, prepareEvaluation, type StageEvaluation } from './stage-evaluation.js';
import { planStep, type StepOptions } from './step.js';
import { type BatchSource, checkBatches, type StepReport, type TrainResult, train } from './train.js';

export interface RunOptions extends Pick<LoadOptions, 'engine' | 'session' | 'hub'> {
  /** In place of the run file's. */
  readonly output?: string;
  /** In place of every stage's length. */
  readonly steps?: number;
  /** Told before a stage begins. */
  readonly onStage?: (stage: RunStage, plan: StagePlan) => void;
  readonly onStep?: (stage: RunStage, report: StepReport) => void;
  readonly onEvaluation?: (stage: RunStage, evaluation: Evaluated) => void;
  /** Told of samples that cannot be used, and of damaged checkpoints. */
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
  const { group = alone } = options;
  if (group.rank === 0) await checkDestination(options.output ?? (await outputOf(path)), 'folder');
  const loaded = asSystem(await load(source, { ...options, ...(fresh ? { fresh: seed } : {}) }));
  try {
    const run = runOf(file, path, loaded.network.stages);
    const { steps } = options;
    const asked = steps === undefined ? run.stages : run.stages.map((stage) => trialOf(stage, steps));
    const { model, stages } = rewardStages(loaded, asked, seed);
    // What cannot be saved at the end is not begun.
    if (!run.stages.at(-1)?.adapter) folderOf(model);
    const text = await readFile(path, 'utf8');
    return await runStages(model, { ...run, stages, text, output: options.output ?? run.output }, options);
  } finally {
    await loaded.close();
  }
}

/** A run file and what it says word for word. */
interface Run extends RunFile {
  readonly text: string;
}

async function runStages(model: Model<System>, run: Run, options: RunOptions): Promise<RunResult> {
  const { group = alone } = options;
  checkAdapters(run.stages);
  const stages = await prepareStages(model, run, options);
  try {
    const record = group.rank === 0 ? await beginRecord(model, run, stages, options) : undefined;
    let values: Record<string, HostArray> = {};
    for (const [index, prepared] of stages.entries()) {
      const begun = prepared.adapter ? await begunValues(model, prepared.adapter) : [];
      const known = new Map([...begun, ...Object.entries(values)]);
      const weights = layeredWeights(model.weights, known, run.seed + index);
      const trained = await runStage({ ...model, weights }, prepared, options);
      if (trained.stopped) return { stopped: true };
      values = { ...values, ...trained.values };
    }
    const weights = layeredWeights(model.weights, new Map(Object.entries(values)), run.seed + stages.length - 1);
    const folder = record ? await saveRun({ ...model, weights }, run, values) : undefined;
    if (record && folder !== undefined) {
      await writeRunRecord(run.output, { ...record, ...timeOf(options, 'ended'), result: basename(folder) });
    }
    const [written] = await group.gather(folder);
    return { stopped: false, folder: written as string };
  } finally {
    await closeStages(stages);
  }
}

/** Says in the run's folder what it is about to do. A run that goes on began when it first did. */
async function beginRecord(
  model: Model<System>,
  run: Run,
  stages: readonly PreparedStage[],
  options: RunOptions,
): Promise<RunRecord> {
  // Nothing depends on it: where it is damaged, it begins anew.
  const known = await readRunRecord(run.output).catch((error: QuintetError) => {
    options.onNotice?.(error);
    return undefined;
  });
  const { started } = known ?? timeOf(options, 'started');
  const record: RunRecord = {
    file: run.text,
    model: {
      source: run.model,
      network: model.network.name,
      ...(model.network.paper === undefined ? {} : { paper: model.network.paper }),
      parameters: parameterCount(model.declarations.values()),
      fresh: run.fresh,
    },
    ...{ seed: run.seed, engine: model.engine.description },
    ...(started === undefined ? {} : { started }),
    stages: stages.map(stageRecord),
  };
  await writeRunRecord(run.output, record);
  return record;
}

function timeOf<Name extends string>({ clock }: RunOptions, name: Name): { readonly [N in Name]?: number } {
  return (clock ? { [name]: Math.round(clock()) } : {}) as { [N in Name]?: number };
}

function stageRecord({ stage, dataset, steps, trained, train, evaluation }: PreparedStage): StageRecord {
  const { name, batch, data, length, objective, form: _, cacheFeatures: _kept, evaluation: asked, ...settings } = stage;
  const { heldOut } = evaluation ?? {};
  return {
    ...{ name, steps, batch, trained, samples: dataset.count, data: data.map(({ path }) => path) },
    settings: {
      ...{ train, objective: objective.settings ? { name: objective.name, ...objective.settings } : objective.name },
      ...settings,
      ...(asked && { every: asked.every, keepBest: asked.keepBest, earlyStopping: asked.earlyStopping }),
    },
    ...(heldOut && asked?.heldOut
      ? { heldOut: { data: asked.heldOut.data.map(({ path }) => path), samples: heldOut.dataset.count } }
      : {}),
    questions: (asked?.samples ?? []).map(({ prompt, pictures }) => ({ prompt, pictures })),
  };
}

/** Writes the trained model, or the adapter of a last stage that trains one; returns the folder. */
async function saveRun(model: Model<System>, run: RunFile, values: Record<string, HostArray>): Promise<string> {
  const asked = run.stages.at(-1)?.adapter;
  const folder = join(run.output, asked ? 'adapter' : 'model');
  if (asked) {
    const base = { network: model.network, declarations: model.declarations, base: model.path ?? run.model };
    const settings = settingsIn(model.network, asked);
    await writeAdapter(folder, base, [settings], await learntValues(model, adapterOf([settings]), values));
  } else await saveModel(model, folder, { values });
  await writeCard(model, run.output, folder);
  return folder;
}

/** A stage whose data is open, and that nothing is known to be wrong with. */
interface PreparedStage {
  readonly stage: RunStage;
  readonly dataset: Dataset;
  readonly data: BatchSource;
  readonly adapt: Model['adapt'];
  readonly adapter?: Adapter;
  readonly reference?: Model['adapt'];
  readonly train: readonly string[];
  readonly steps: number;
  readonly folder: string;
  /** How many numbers learn. */
  readonly trained: number;
  /** The part of a picture's way that is kept. */
  readonly kept?: FrozenWay;
  readonly evaluation?: StageEvaluation;
}

async function closeStages(stages: readonly PreparedStage[]): Promise<void> {
  for (const { data, dataset, evaluation } of stages) {
    for (const open of [data, dataset, evaluation?.heldOut?.data, evaluation?.heldOut?.dataset]) await open?.close?.();
  }
}

/** Opens the data of every stage and traces every stage: what is wrong with the last one is told before the first begins. */
async function prepareStages(model: Model<System>, run: RunFile, options: RunOptions): Promise<PreparedStage[]> {
  const prepared: PreparedStage[] = [];
  try {
    for (const [index, stage] of run.stages.entries()) {
      const dataset = await openSources(stage.data);
      const adapter = adapterFor(model.network, stage);
      const { length, batch } = stage;
      const whole = 'steps' in length ? length.steps : Math.ceil((length.epochs * dataset.count) / batch);
      const folder = join(run.output, stage.name);
      const lengths = stage.groupByLength ? { lengths: await dataset.lengths() } : {};
      const { rank } = options.group ?? alone;
      const onBad = badSamplesReport(join(folder, rank === 0 ? 'bad-samples.jsonl' : `bad-samples.${rank}.jsonl`));
      const data = await closing(dataset, () =>
        batchesOf(model, stage, { dataset, seed: run.seed + index, options, onBad, ...lengths }),
      );
      const own: PreparedStage = {
        ...{ stage, dataset, data, folder },
        adapt: adapter?.adapt ?? model.adapt,
        ...(adapter ? { adapter } : {}),
        // What an earlier stage has taught an adapter belongs to the reference.
        ...(adapter && index > 0 ? { reference: adapter.adapt } : {}),
        train: [...(adapter?.parameters ?? []), ...stage.train],
        steps: options.steps ?? whole,
        trained: 0,
      };
      prepared.push(own);
      const checked = { ...own, ...checkStage(model, own) };
      const evaluation = await evaluationOf(model, stage, options);
      prepared[index] = { ...checked, ...(evaluation ? { evaluation } : {}) };
    }
    return prepared;
  } catch (error) {
    await closeStages(prepared);
    throw error;
  }
}

/** What is made of a dataset, which is closed where that fails. */
async function closing<T>(dataset: Dataset, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await dataset.close();
    throw error;
  }
}

async function evaluationOf(
  model: Model<System>,
  stage: RunStage,
  options: RunOptions,
): Promise<StageEvaluation | undefined> {
  const { evaluation: settings, batch, microBatch = batch } = stage;
  if (!settings) return undefined;
  return prepareEvaluation(
    { settings, images: model.network.image !== undefined },
    {
      open: ({ data }) => openSources(data),
      batches: (dataset, size) =>
        batchesOf(model, { ...stage, batch: size, microBatch: size }, { dataset, seed: 0, options, once: true }),
      batch: microBatch,
    },
  );
}

/** Traces a stage: how many numbers learn in it, and what of a picture's way is kept. */
function checkStage({ network }: Model<System>, prepared: PreparedStage): Pick<PreparedStage, 'trained' | 'kept'> {
  const { stage, adapt, steps } = prepared;
  try {
    if (stage.adapter) checkAdapted(network, stage.adapter);
    checkOptimizer(stage.optimizer, steps, 'optimizer');
    checkBatches(stage.objective, prepared.data);
    const own = around(network, prepared);
    if (stage.packing && own.virtual) {
      throw new QuintetError('config', 'the virtual tokens of its adapter stand before one sample a row', {
        at: 'packing',
      });
    }
    const kept = keptWay({ network: own, adapt }, prepared);
    const { trained } = planStep({ network: own, adapt }, stepOptions(prepared));
    return { trained: parameterCount(trained), ...(kept ? { kept } : {}) };
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    throw new QuintetError(error.code, error.message, { at: `stage ${stage.name}`, cause: error });
  }
}

function stepOptions(
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

function adapterFor(network: System, { adapter }: RunStage): Adapter | undefined {
  return adapter && adapterOf([settingsIn(network, adapter)]);
}

/** The network as a stage's adapter has it. */
function around(network: System, { adapter }: PreparedStage): System {
  return adapter?.around?.(network) ?? network;
}

/** An adapter that later stages did not know of would be lost. */
function checkAdapters(stages: readonly RunStage[]): void {
  const settings = stages.map(({ adapter }) => JSON.stringify(adapter));
  const first = settings.findIndex((own) => own !== undefined);
  const other = first < 0 ? undefined : stages.find((_, i) => i > first && settings[i] !== settings[first]);
  if (!other) return;
  throw new QuintetError('config', 'stages after one with an adapter need the same settings of it', {
    at: `stage ${other.name}`,
    hint: 'train the adapter last, or merge it and start another run',
  });
}

interface StageData {
  readonly dataset: Dataset;
  readonly seed: number;
  readonly options: RunOptions;
  /** Whether each sample comes once, in the order of the file. */
  readonly once?: boolean;
  /** Where like lengths go into one batch. */
  readonly lengths?: readonly number[];
  /** Told of samples that cannot be used, before anybody else is. */
  readonly onBad?: (error: QuintetError) => void;
}

function batchesOf(
  model: Model<System>,
  { batch, microBatch, longest, badShare, form, packing }: RunStage,
  { dataset, seed, once = false, lengths, onBad, options: { onNotice, group } }: StageData,
): Promise<BatchSource> {
  return stageBatches(model, dataset, form, {
    ...{ batch, seed, once },
    // What is evaluated is shared batch by batch.
    ...(group && !once ? { share: group } : {}),
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(longest === undefined ? {} : { longest }),
    ...(packing && !once ? { packing } : {}),
    ...(lengths ? { lengths } : {}),
    ...(badShare === undefined ? {} : { badShare }),
    onBad(error) {
      onBad?.(error);
      onNotice?.(error);
    },
  });
}

async function runStage(model: Model<System>, prepared: PreparedStage, options: RunOptions): Promise<TrainResult> {
  const { stage, dataset, steps, folder, data, adapt, evaluation } = prepared;
  const { onStage, onStep, onEvaluation, onNotice, clock, memory, signal, group } = options;
  onStage?.(stage, { samples: dataset.count, steps, folder });
  const adapted = { ...model, adapt, network: around(model.network, prepared) };
  const { limit } = stage.cacheFeatures;
  const kept =
    prepared.kept &&
    (await keptFeatures(adapted, prepared.kept, data, { folder: join(folder, 'features'), limit, group }));
  const training = train(kept ? { ...adapted, network: kept.network } : adapted, {
    objective: stage.objective,
    optimizer: stage.optimizer,
    ...{ frozen: stage.frozen, recompute: stage.recompute },
    ...{ train: prepared.train, steps, folder },
    data: { ...(kept?.data ?? data), about: { ...data.about, ...taskOf(stage) } },
    ...(prepared.reference ? { reference: prepared.reference } : {}),
    ...(prepared.adapter?.penalty ? { penalty: prepared.adapter.penalty } : {}),
    ...(stage.saveEvery === undefined ? {} : { saveEvery: stage.saveEvery }),
    ...(evaluation ? { evaluation: evaluationPlan(adapted, evaluation, stepOptions(prepared, options)) } : {}),
    ...(onEvaluation ? { onEvaluation: (found) => onEvaluation(stage, found) } : {}),
    ...(onStep ? { onStep: (report) => onStep(stage, report) } : {}),
    ...(onNotice ? { onDamaged: onNotice } : {}),
    ...(clock ? { clock } : {}),
    ...(memory ? { memory } : {}),
    ...(signal ? { signal } : {}),
    ...(group ? { group } : {}),
  });
  return training.finally(() => kept?.close());
}

/** What makes a run another one though its parameters are called alike. */
function taskOf({ adapter, form, data }: RunStage): Record<string, unknown> {
  return { adapter: adapter ?? null, form, paths: data.map(({ path }) => path) };
}
