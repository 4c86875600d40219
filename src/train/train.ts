/**
 * The one training loop: micro-batches through a compiled step, clipping, the optimiser, checkpoints, a log.
 *
 * A step's loss is the sum over all its targets divided by their number, whatever the micro-batches. Everything that a step
 * depends on follows from its number, so that a resumed run goes on bit for bit as if it had not stopped.
 */
import type { Model } from '../model/index.js';
import { alone, type ProcessGroup } from '../parallel/group.js';
import { type HostArrays, type Objective, type Optimizer, type Pruning, tableRows } from '../system/index.js';
import { closeAll, closeOnFailure, type HostArray, QuintetError } from '../tensor/index.js';
import type { Region } from './arena.js';
import { type Estimate, type Forecast, openForecast } from './estimate/forecast.js';
import type { LearningModel } from './estimate/memory.js';
import type { Evaluated } from './evaluations.js';
import { accumulateGradients, gradientNorm } from './gradients.js';
import { type Learner, openLearner } from './learner.js';
import type { Ended } from './log-record.js';
import { metricsOf, summed, tokensOf } from './means.js';
import { checkOptimizer } from './optimisers/index.js';
import { readRegions, resume, stateOf } from './resume.js';
import { RunFolder } from './run-folder.js';
import { standstillWatch } from './standstill.js';
import {
  compileStep,
  type FrozenForm,
  type MicroLoss,
  type Reference,
  type StageStep,
  type StepOptions,
} from './step.js';
import { stepBatches, type Taken } from './step-batches.js';
import { beginning, learningModel, withRows } from './table-rows.js';
import { copyFromFirst, goOnTogether } from './together.js';
import { type EvaluationPlan, openWatch, type Watch } from './watch.js';

/** The batches of a run: what a step, or all iterations of one, are given depends on its number alone. */
export interface BatchSource {
  /** The names of the tensors in every micro-batch. */
  readonly fields: readonly string[];
  /** Whether a step has several micro-batches. */
  readonly accumulates: boolean;
  /** Rows of every micro-batch, where all have as many. */
  readonly rows?: number;
  /** What tells these batches from others, such as a seed: a run goes on only with the same. */
  readonly about?: Readonly<Record<string, unknown>>;
  /** Whether batches are made by what was learnt so far, so that none can be made ahead. */
  readonly onPolicy?: boolean;
  /** The micro-batches of a step, counted from 0. `now` gives the model with what was learnt before it, `signal` ends the drawing of answers. */
  take(step: number, now?: () => Promise<Model>, signal?: AbortSignal): Promise<readonly HostArrays[]>;
  /** Throws 'data' where none of some samples can be used; default none is looked at. */
  readonly check?: () => Promise<void>;
  /** How many samples of a step that has been taken were cut, asked once; default none. */
  readonly cutIn?: (step: number) => number;
  /** Bytes that making such micro-batches takes besides them; where it is not given, none that count. */
  readonly memory?: (batches: readonly HostArrays[], learning: LearningModel) => number;
  /** Frees what is opened again for the next batch: there is none for a while. */
  rest?(): Promise<void>;
  /** Frees what making batches took. */
  close?(): Promise<void>;
}

export interface TrainOptions {
  readonly objective: Objective;
  /** Patterns over the parameters that learn. */
  readonly train: readonly string[];
  /** The objective's frozen reference; default the network without any adapter. Its values are those of the weights. */
  readonly reference?: Reference;
  /** What is added to the mean loss, of parameters by name. */
  readonly penalty?: StepOptions['penalty'];
  /** What tells the results of the stages before from others: a run that began with others begins anew. */
  readonly earlier?: string;
  /** What is cut from parameters after each step; default nothing. */
  readonly pruning?: Pruning | undefined;
  /** How weights that do not learn are held; default as they are. */
  readonly frozen?: FrozenForm;
  /** Whether blocks are computed once more for their gradients instead of being kept; default false. */
  readonly recompute?: boolean;
  readonly optimizer: Optimizer;
  readonly steps: number;
  readonly data: BatchSource;
  /** Where checkpoints and the log go, and from where a run is resumed; default nowhere. */
  readonly folder?: string;
  /** Milliseconds since 1970, for the times in reports and the log; default none are told. */
  readonly clock?: () => number;
  /** Bytes that the process has in memory, for reports and the log; default they are not told. */
  readonly memory?: () => number;
  /** Steps between checkpoints; default 100. */
  readonly saveEvery?: number;
  /** What is found out in between about samples that are not learnt from; default nothing. */
  readonly evaluation?: EvaluationPlan;
  /** Awaited, where there is anything left to do, before the first of it: what was saved has been found to be of this run. */
  readonly onBegin?: (() => Promise<void>) | undefined;
  readonly onStep?: (report: StepReport) => void;
  readonly onEvaluation?: (evaluation: Evaluated) => void;
  /** Told at the end where evaluations had to do with it: early stopping ended the run, or the best values are kept. */
  readonly onEnd?: (ended: Ended) => void;
  /**
   * Told what the run is expected to take, where it is given `memory`: bytes before the first pass, and given `clock`, time
   * after it; at the end with what it took. Evaluations are not counted.
   */
  readonly onEstimate?: (estimate: Estimate) => void;
  /** Micro-batches as large as any that comes, for the estimate of memory; default those of the first step. */
  readonly largest?: readonly HostArrays[];
  /** Told of checkpoints that are damaged and passed over, put aside, or old and cannot be removed. */
  readonly onNotice?: (error: QuintetError) => void;
  /** Ends the run after the step in flight, with a checkpoint. */
  readonly signal?: AbortSignal;
  /**
   * The processes that train together, each with batches of its own share (`SampleOptions.share`); default this one alone.
   * The first one has the folder.
   */
  readonly group?: ProcessGroup;
}

export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  readonly steps: number;
  /** Mean over the step's targets, before the update. */
  readonly loss: number;
  readonly targets: number;
  /** Tokens that were read, without padding. */
  readonly tokens: number;
  /** Samples that were longer than what is learnt of them; absent where there are none. */
  readonly cut?: number;
  /** What the objective tells besides, by name; means over the step. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** The learning rate that was used. */
  readonly rate: number;
  /** Of the gradients, before clipping. */
  readonly norm: number;
  /** Milliseconds that the step took, and how many of them it waited for its data. */
  readonly time: number;
  readonly waited: number;
  /** Bytes that the process has in memory; where it was given a meter. */
  readonly memory?: number;
}

export interface TrainResult {
  readonly steps: number;
  /** The step that the values are of, where the best ones are kept. */
  readonly best?: number;
  /** The trained parameters after the last step or, where they are kept, the best one; by name. */
  readonly values: HostArrays;
  /** Trained parameters that the loss does not depend on: they are as they were. */
  readonly unreached: readonly string[];
  /** Whether the signal ended the run before its end. */
  readonly stopped: boolean;
}

/** Runs a stage to its end, or on from the newest checkpoint in `folder`. */
export async function train(model: Model, options: TrainOptions): Promise<TrainResult> {
  const { steps, data, objective, optimizer, folder, group = alone } = options;
  checkBest(options);
  checkOptimizer(optimizer, steps, 'optimizer');
  checkBatches(objective, data);
  checkShares(objective, group);
  const { reference, penalty, frozen, recompute = false } = options;
  const before = options.memory?.();
  const step = await compileStep(model, {
    ...{ objective, train: options.train, fields: data.fields, group, recompute },
    ...(reference ? { reference } : {}),
    ...(penalty ? { penalty } : {}),
    ...(data.rows === undefined ? {} : { rows: data.rows }),
    ...(frozen ? { frozen } : {}),
  });
  const own = group.rank === 0 ? folder : undefined;
  const run = own === undefined ? undefined : await closeOnFailure([step], () => RunFolder.open(own));
  let learner: Learner | undefined;
  try {
    learner = openLearner(model, step.trained, {
      ...{ optimizer, steps, accumulates: data.accumulates },
      pruning: options.pruning,
    });
    const rows = tableRows(options.train);
    for (const declaration of step.trained) {
      const { data: values } = await beginning(model, declaration, rows);
      const own = learner.arena.values.tensors[declaration.name] as HostArray;
      own.data.set(values as Float32Array & BigInt64Array);
    }
    // Until the first step they are the average.
    learner.arena.average?.data.set(learner.arena.values.data);
    const state = await stateOf(model, step, options);
    const own = run ? await resume(run, learner, { state, options }) : 0;
    const { regions } = learner;
    const first = await goOnTogether(group, { step: own, state, regions });
    const watch = await openWatch(run, options);
    const { tensors } = learner.arena.values;
    const now = learningModel(model, rows, tensors);
    const forecast = openForecast(model, step, options, { before, log: async (record) => run?.log(record) });
    const { done, stopped } = await loop({ step, state, learner, run, watch, now, forecast, options }, first);
    if (!stopped) await watch.end(done);
    const best = stopped ? undefined : watch.best();
    if (best !== undefined && best !== done) {
      if (run) await readRegions(await run.at(best), learner);
      await copyFromFirst(group, regions);
    }
    // The engine's store goes first: what was learnt is copied into memory of its own.
    await step.close();
    const values = await withRows(model, rows, learner.final());
    await forecast.end();
    return { steps: done, values, unreached: step.unreached, stopped, ...(best === undefined ? {} : { best }) };
  } finally {
    await closeAll(learner, step, run);
  }
}

interface Run {
  readonly step: StageStep;
  /** What its checkpoints say of it. */
  readonly state: Awaited<ReturnType<typeof stateOf>>;
  readonly learner: Learner;
  readonly run: RunFolder | undefined;
  readonly watch: Watch;
  /** The model with what was learnt so far. */
  readonly now: () => Promise<Model>;
  readonly forecast: Forecast;
  readonly options: TrainOptions;
}

async function loop(
  { step, state, learner, run, watch, now, forecast, options }: Run,
  first: number,
): Promise<{ readonly done: number; readonly stopped: boolean }> {
  const { steps, saveEvery = 100, signal, onStep, earlier, group = alone } = options;
  const { iterations = 1 } = options.objective;
  let done = first;
  let saved = first;
  const isOver = (): boolean => done >= steps || watch.isOver();
  // A run goes on from where new batches are taken: those that were made by earlier values cannot be made again.
  const isBetween = (): boolean => done % iterations > 0 && !isOver();
  const save = async ({ again = false } = {}): Promise<void> => {
    if (!run || isBetween() || (saved === done && !again)) return;
    const snapshot = { step: done, state: { ...state, earlier }, arrays: learner.regions };
    await run.save(snapshot, { best: watch.best(), onLeft: options.onNotice });
    saved = done;
  };
  // An evaluation stands in the log before the checkpoint that a run goes on from.
  const look = async (): Promise<void> => {
    // One that is stopped where no checkpoint can be would lose the steps since the last.
    const stopping = isBetween() ? undefined : signal;
    if (await watch.look(done, learner.learnt, stopping)) await save({ again: done === 0 });
  };
  const isStopped = async (): Promise<boolean> =>
    !isBetween() && (await group.gather(signal?.aborted ?? false)).includes(true);
  const batches = stepBatches({ step, learner }, now, options);
  const standstill = standstillWatch(options.onNotice ?? (() => {}));
  try {
    if (!isOver()) await options.onBegin?.();
    await look();
    while (!isOver() && !(await isStopped())) {
      const timer = timerOf(options);
      const taken = await batches.take(done, timer.waited);
      const report = await oneStep({ step, learner, forecast, options }, done, taken);
      done++;
      const timed = timer.timed(report);
      await run?.log(timed.record);
      forecast.stepped(timed.report);
      onStep?.(timed.report);
      standstill(timed.report);
      await look();
      if (Math.floor(done / saveEvery) > Math.floor(saved / saveEvery)) await save();
    }
  } catch (error) {
    // What was reached before the failure is not lost with it; numbers that are none, or half moved, would be gone on from.
    if (!isNumeric(error) && !learner.isMoving) await save().catch(() => {});
    // An evaluation that the signal has ended is made when the run goes on.
    const isSignalled = signal?.aborted || group.size > 1;
    if (isSignalled && error instanceof QuintetError && error.code === 'aborted') return { done, stopped: true };
    throw error;
  } finally {
    // What it reads is about to be closed.
    await batches.settled();
  }
  await save();
  return { done, stopped: !isOver() };
}

const isNumeric = (error: unknown): boolean => error instanceof QuintetError && error.code === 'numeric';

/** Measures a step: what the clock says in the end goes into the log only. */
function timerOf({ clock, memory }: TrainOptions) {
  const now = clock ?? (() => 0);
  const started = now();
  let waited = 0;
  return {
    waited(): number {
      waited = now() - started;
      return waited;
    },
    timed(untimed: UntimedReport) {
      const ended = now();
      const report: StepReport = {
        ...{ ...untimed, time: ended - started, waited },
        ...(memory ? { memory: memory() } : {}),
      };
      return { report, record: { ...report, ...(clock ? { at: Math.round(ended) } : {}) } };
    },
  };
}

type UntimedReport = Omit<StepReport, 'time' | 'waited' | 'memory'>;

async function oneStep(
  {
    step,
    learner,
    forecast,
    options: { steps, data, objective, group = alone },
  }: Pick<Run, 'step' | 'learner' | 'forecast' | 'options'>,
  index: number,
  taken: Taken,
): Promise<UntimedReport> {
  const { batches, known } = taken;
  const { arena } = learner;
  const own: MicroLoss[] = [];
  if (known.length === 0) arena.gradients.data.fill(0);
  forecast.begin(index, taken);
  for (const [i, batch] of known.entries()) {
    const into = i === 0 ? arena.gradients : (arena.incoming as Region);
    own.push(await step.run(batch, arena.values.tensors, into.tensors));
    if (i === 0) await forecast.passed();
    else accumulateGradients(arena);
  }
  // Told once of a batch, however many steps learn from it.
  const { iterations = 1 } = objective;
  const cut = index % iterations === 0 ? (data.cutIn?.(index / iterations) ?? 0) : 0;
  const all = await group.gather({ losses: own, tokens: tokensOf(batches), cut });
  await group.sum(arena.gradients.data);
  const losses = all.flatMap((share) => share.losses);
  const tokens = all.reduce((sum, share) => sum + share.tokens, 0);
  const lost = all.reduce((sum, share) => sum + share.cut, 0);
  const { total, targets } = summed(losses);
  if (targets === 0) throw new QuintetError('data', 'no token of this step has a label', { at: `step ${index + 1}` });
  const norm = gradientNorm(arena) / targets;
  const loss = total / targets;
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
    throw new QuintetError('numeric', `the loss is ${loss}, the gradient's norm ${norm}`, {
      at: `step ${index + 1}`,
      hint: 'the last checkpoint is from before it: look at the data of this step, or lower the rate and begin in another folder',
    });
  }
  const rate = await learner.update(index, { targets, norm });
  return {
    ...{ step: index + 1, steps, loss, targets, tokens, rate, norm },
    ...(lost > 0 ? { cut: lost } : {}),
    ...metricsOf(losses),
  };
}

/** Refuses to keep the best values where there would be no checkpoint of them. */
function checkBest({ evaluation, folder, objective: { iterations = 1 } }: TrainOptions): void {
  if (!evaluation?.keepBest) return;
  if (folder === undefined) {
    throw new QuintetError('config', 'the best values are kept in checkpoints: give a folder', { at: 'keepBest' });
  }
  if (evaluation.every % iterations === 0) return;
  throw new QuintetError('config', `there are checkpoints after each ${iterations} steps, which learn from one batch`, {
    at: 'keepBest',
    hint: `evaluate every ${iterations} steps, or a multiple of it`,
  });
}

/** Refuses batches in parts, and those of one row, where rows are compared with each other. */
export function checkBatches({ name, whole }: Objective, { accumulates, rows }: BatchSource): void {
  if (!whole) return;
  if (accumulates) {
    throw new QuintetError('config', `${name} compares all samples of a step: they cannot be cut into micro-batches`, {
      at: 'microBatch',
      hint: 'leave microBatch out, and make the batch smaller where memory is short',
    });
  }
  if (rows === 1) {
    throw new QuintetError('config', `${name} compares all samples of a step: at least 2 in a batch`, { at: 'batch' });
  }
}

/** Refuses several processes where rows are compared with each other. */
export function checkShares(
  { name, whole, neighbours }: Pick<Objective, 'name' | 'whole' | 'neighbours'>,
  { size }: ProcessGroup,
): void {
  if (!(whole || neighbours) || size === 1) return;
  throw new QuintetError('config', `${name} compares all samples of a step: ${size} processes cannot share them`, {
    hint: 'train with one process, and give it all cores of the machine (--threads)',
  });
}
