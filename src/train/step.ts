/** A stage compiled into one graph: a batch and the trained parameters in, the loss and the gradients out. */

import {
  add,
  concat,
  type Graph,
  gradients,
  graph,
  inRunOrder,
  mul,
  recomputingGradients,
  reshape,
  slice,
  type Tensor,
} from '../graph/index.js';
import { holding, type Model, openSession } from '../model/index.js';
import { type Declaration, type Glob, type Params, rootScope, select } from '../nn/index.js';
import type { Binding } from '../onnx/index.js';
import type { ProcessGroup } from '../parallel/group.js';
import type { Session } from '../runtime/engine.js';
import {
  type HostArrays,
  type InputType,
  inputTensors,
  type Loss,
  learningRows,
  type Mean,
  type Network,
  type Objective,
  objectiveInputs,
  tableRows,
} from '../system/index.js';
import {
  closeAll,
  closeOnFailure,
  type HostArray,
  nearest,
  QuintetError,
  sameShape,
  toNumbers,
} from '../tensor/index.js';
import { blockOf } from './blocks.js';
import { type ForeknowledgePlan, openForeknowledge, planForeknowledge } from './foreknowledge.js';

/** A stage's trained parameters, and its pass over one micro-batch. */
export interface StageStep {
  /** The parameters that learn, in the order in which the network declares them. */
  readonly trained: readonly Declaration[];
  /** Everything that the objective declares, trained or not. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Selected by the patterns, but out of the loss's reach. */
  readonly unreached: readonly string[];
  /** What it was compiled from. */
  readonly prepared: PreparedStep;
  /** A step's micro-batches with what the objective must know of them before the first pass. */
  foresee(batches: readonly HostArrays[], values: HostArrays, signal?: AbortSignal): Promise<readonly HostArrays[]>;
  /** One pass: writes the gradients of the loss's total into `into`, by parameter. */
  run(batch: HostArrays, values: HostArrays, into: HostArrays, signal?: AbortSignal): Promise<MicroLoss>;
  close(): Promise<void>;
}

/** A mean over a micro-batch: its sum and what divides it. */
export interface MicroMean {
  readonly total: number;
  readonly targets: number;
}

/** The loss of a micro-batch, and what the objective tells besides. */
export interface MicroLoss extends MicroMean {
  readonly metrics: Readonly<Record<string, MicroMean>>;
}

export interface StepOptions {
  readonly objective: Objective;
  readonly train: readonly Glob[];
  /** The names of the tensors in every batch. */
  readonly fields: readonly string[];
  /** The objective's frozen reference; default the network without any adapter. Its values are those of the weights. */
  readonly reference?: Reference;
  /** What is added to the mean loss, of parameters by name. */
  readonly penalty?: (declarations: ReadonlyMap<string, Declaration>) => Tensor;
  /** The processes that share a step; default this one alone. */
  readonly group?: ProcessGroup;
  /** Whether what lies within a block is computed again for its gradients instead of being kept; default false. */
  readonly recompute?: boolean;
  /** Rows of every batch, where all have as many. */
  readonly rows?: number;
  /** How weights that do not learn are held; default as they are. */
  readonly frozen?: FrozenForm;
}

/** What an objective's reference has of an adapter. */
export interface Reference {
  readonly adapt: (p: Params) => Params;
  /** Whether it has what an adapter puts around the network; default false. */
  readonly around?: boolean;
}

/**
 * In f32; or their products in eight bits, both ways: faster and in less memory, at an error like that of rounding once; or in
 * NF4, four bits a number, in the least memory: QLoRA; or in the blocks that the file has, exactly.
 */
export type FrozenForm = (typeof frozenForms)[number];
export const frozenForms = ['f32', 'int8', 'nf4', 'blocks'] as const;

const gradientOf = (name: string): string => `gradient of ${name}`;
const metricPart = (name: string, part: keyof Mean): string => `metric ${part} of ${name}`;

/** A stage's graph, and what of it learns. */
export interface StepPlan extends Pick<StageStep, 'trained' | 'declarations' | 'unreached'> {
  readonly graph: Graph;
  /** The names of the objective's metrics. */
  readonly metrics: readonly string[];
  readonly before: ForeknowledgePlan;
  /** What a micro-batch holds, with all that is found out about it before the pass. */
  readonly types: Readonly<Record<string, InputType>>;
}

interface LossPlan extends Pick<StepPlan, 'declarations' | 'before' | 'types'> {
  readonly loss: Loss;
  /** The parameters that the patterns select. */
  readonly selected: readonly Declaration[];
}

/** Traces what a stage minimises. */
function planLoss(
  { network, adapt }: Pick<Model, 'network' | 'adapt'>,
  { objective, train, fields, rows, reference, penalty }: StepOptions,
  held: Held['adapt'] = (p) => p,
): LossPlan {
  const current = (p: Params): Params => learningRows(tableRows(train)).adapt(adapt(held(p)));
  const given = typesOf(network, objective, { fields, ...(rows === undefined ? {} : { rows }) });
  const before = planForeknowledge(network, {
    ...{ objective, types: given, current },
    reference: { ...reference, adapt: (p) => (reference ? reference.adapt(held(p)) : held(p)) },
  });
  const types = { ...given, ...before.types };
  const { p, declarations } = rootScope();
  const alone = objective.loss(network, current(p), inputTensors(types));
  const loss = penalty ? penalised(alone, penalty(declarations)) : alone;
  const names = select([...declarations.keys()], train, 'train');
  return { loss, declarations, before, types, selected: names.map((name) => declarations.get(name) as Declaration) };
}

/** Traces and differentiates a stage. All mistakes of shape, name and pattern are found here, before any step. */
export function planStep(
  model: Pick<Model, 'network' | 'adapt'>,
  options: StepOptions,
  held?: Held['adapt'],
): StepPlan {
  const { loss, selected, ...plan } = planLoss(model, options, held);
  const { total, targets, metrics = {} } = loss;
  checkHeld(plan.declarations, selected, options.frozen);
  const tensors = selected.map(({ tensor }) => tensor);
  const slopes = options.recompute ? recomputingGradients(total, tensors, blockOf) : gradients(total, tensors);
  const trained = selected.filter((_, i) => slopes[i]);
  if (trained.length === 0)
    throw new QuintetError('name', 'the loss reaches none of the trained parameters', { at: 'train' });
  const reached = slopes.filter((slope) => slope !== null);
  const named = Object.fromEntries(trained.map(({ name }, i) => [gradientOf(name), reached[i] as Tensor]));
  return {
    ...plan,
    trained,
    unreached: selected.filter((_, i) => !slopes[i]).map(({ name }) => name),
    metrics: Object.keys(metrics),
    graph: inRunOrder(graph('step', { total, targets, ...metricOutputs(metrics), ...named, done: ordering(reached) })),
  };
}

/** Refuses a form of frozen weights where there are none: forms are of matrices. Which weights have blocks is found elsewhere. */
function checkHeld(
  declarations: LossPlan['declarations'],
  selected: LossPlan['selected'],
  frozen: FrozenForm = 'f32',
): void {
  const learns = new Set(selected.map(({ name }) => name));
  const isHeld = ({ name, shape }: Declaration): boolean => shape.length > 1 && !learns.has(name);
  if (frozen === 'f32' || frozen === 'blocks' || [...declarations.values()].some(isHeld)) return;
  throw new QuintetError('config', `all weights learn, and none is there to be held in ${frozen}`, {
    at: 'frozen',
    hint: 'leave it out, or let an adapter learn in their place',
  });
}

/** The letter of a batch's rows, which is known of batches that all have as many. */
const withRows = ({ dtype, shape }: InputType, rows: number): InputType => ({
  dtype,
  shape: shape.map((dim) => (dim === 'B' ? rows : dim)),
});

/** A mean with something added, whatever it is the mean of. */
const penalised = (loss: Loss, penalty: Tensor): Loss => ({
  ...loss,
  total: add(loss.total, mul(penalty, loss.targets)),
});

/** The types of what a batch holds. */
function typesOf(
  network: Network,
  objective: Objective,
  { fields: names, rows }: Pick<StepOptions, 'fields' | 'rows'>,
): Record<string, InputType> {
  const own = objectiveInputs(objective, network);
  const known = { ...network.inputs, ...own };
  const missing = Object.keys(own).find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new QuintetError('name', `${objective.name} needs a field "${missing}", which the batches do not have`, {
      at: 'batch',
    });
  }
  return Object.fromEntries(
    names.map((name) => {
      const type = known[name];
      if (type) return [name, rows === undefined ? type : withRows(type, rows)];
      const guess = nearest(name, Object.keys(known));
      throw new QuintetError('name', `${network.name} has no input "${name}"`, {
        at: 'batch',
        ...(guess ? { hint: `did you mean "${guess}"?` } : {}),
      });
    }),
  );
}

function metricOutputs(metrics: NonNullable<Loss['metrics']>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, { total, targets }]) => [
      [metricPart(name, 'total'), total],
      [metricPart(name, 'targets'), targets],
    ]),
  );
}

type Held = ReturnType<typeof holding>;

/** Refuses a form of weights that a model cannot have. */
export function checkFrozen({ packFrozen, engine }: Pick<Model, 'packFrozen' | 'engine'>, frozen: FrozenForm): void {
  if (frozen === 'f32' || (packFrozen && engine.name === 'native')) return;
  const why = packFrozen
    ? `the engine ${engine.name} multiplies with no integers`
    : 'it is of weights in files, and this model has none';
  throw new QuintetError('unsupported', `frozen: ${frozen}: ${why}`, {
    at: 'frozen',
    hint: packFrozen ? 'leave it out' : 'leave it out, or save the model and load it',
  });
}

/** The scope in which what a stage multiplies with and does not learn is in integers; undefined where nothing can be. */
async function holdFrozen(model: Model, options: StepOptions): Promise<Held | undefined> {
  if (!options.frozen || options.frozen === 'f32') return undefined;
  checkFrozen(model, options.frozen);
  const learnt = new Set(planLoss(model, options).selected.map(({ name }) => name));
  const trace = (adapt: (p: Params) => Params): unknown => planLoss(model, options, adapt);
  const uses = { trace, learns: (name: string) => learnt.has(name) };
  const packed = await model.packFrozen?.(model, uses, options.frozen);
  return packed && holding(packed);
}

/**
 * Whether the engine makes copies of weights for its products, two where gradients pass through: not where memory counts more
 * than time, nor beside weights that lie in memory and stay there. Those in eight bits are small.
 */
const makesCopies = (
  { weights }: Pick<Model, 'weights'>,
  { recompute = false, frozen = 'f32' }: Pick<StepOptions, 'recompute' | 'frozen'>,
): boolean => frozen === 'int8' || (frozen === 'f32' && !recompute && weights.files.length > 0);

/** A stage's graph, with what of it is bound in integers. */
export interface PreparedStep extends StepPlan {
  readonly known: ReadonlyMap<string, Binding>;
  /** Whether the engine makes copies of weights. */
  readonly copies: boolean;
}

/** Traces a stage with its weights as they are held: all but the engine's session. */
export async function prepareStep(model: Model, options: StepOptions): Promise<PreparedStep> {
  const held = await holdFrozen(model, options);
  const plan = planStep(model, options, held?.adapt);
  return { ...plan, known: held?.known() ?? new Map(), copies: makesCopies(model, options) };
}

/** A model whose sessions are those of a step. */
export const trainingModel = (model: Model, options: Parameters<typeof makesCopies>[1]): Model => ({
  ...model,
  session: { ...model.session, purpose: 'train', copies: makesCopies(model, options) },
});

/** A stage that can run. */
export async function compileStep(model: Model, options: StepOptions): Promise<StageStep> {
  const prepared = await prepareStep(model, options);
  const { graph: built, metrics, before, known: bound, ...plan } = prepared;
  const fed = new Set(plan.trained.map(({ name }) => name));
  const training = trainingModel(model, options);
  const session = await openSession(training, built, plan.declarations, { fed, known: bound });
  const { objective, group } = options;
  const asked = { fed, known: bound, ...(group ? { group } : {}) };
  const known = await closeOnFailure([session], () => openForeknowledge(training, objective, before, asked));
  return {
    ...{ ...plan, prepared, foresee: known.of },
    run: (batch, values, into, signal) =>
      runStep(session, { batch, values, into, metrics, inPlace: model.engine.inPlace }, signal),
    close: () => closeAll(session, known),
  };
}

/** A stage's loss alone, on samples that are not learnt from. */
export interface LossPass extends Pick<StageStep, 'foresee' | 'close'> {
  run(batch: HostArrays, values: HostArrays, signal?: AbortSignal): Promise<MicroLoss>;
}

/** The pass of a stage without gradients, over weights that are held as it holds them; `fed` are the parameters that learn. */
export async function compileLoss(model: Model, options: StepOptions, fed: ReadonlySet<string>): Promise<LossPass> {
  const held = await holdFrozen(model, options);
  const { loss, declarations, before } = planLoss(model, options, held?.adapt);
  const { total, targets, metrics = {} } = loss;
  const built = graph('loss', { total, targets, ...metricOutputs(metrics) });
  const training = trainingModel(model, options);
  const feeds = { fed, known: held?.known() ?? new Map() };
  const session = await openSession(training, built, declarations, feeds);
  const known = await closeOnFailure([session], () => openForeknowledge(training, options.objective, before, feeds));
  const names = Object.keys(metrics);
  return {
    foresee: known.of,
    run: (batch, values, signal) =>
      runStep(session, { batch, values, into: {}, metrics: names, inPlace: model.engine.inPlace }, signal),
    close: () => closeAll(session, known),
  };
}

/**
 * One element of every gradient. ONNX Runtime runs nodes that nothing depends on last; asked for this, it computes each
 * gradient as soon as it can, and frees the activations that it came from.
 */
function ordering(slopes: readonly Tensor[]): Tensor {
  return concat(
    slopes
      .flatMap(partsOf)
      .map((slope) => slice(reshape(slope, [slope.shape.reduce<number>((a, b) => a * (b as number), 1)]), 0, 0, 1)),
    0,
  );
}

/** What a gradient is the sum of: a table that also scores words has one part from either end of the pass. */
function partsOf(slope: Tensor): Tensor[] {
  const { kind, inputs } = slope.node;
  const isSum = kind === 'Add' && inputs.every((x) => x && sameShape(x.shape, slope.shape));
  return isSum ? inputs.flatMap((x) => partsOf(x as Tensor)) : [slope];
}

interface StepFeeds {
  readonly batch: HostArrays;
  readonly values: HostArrays;
  readonly into: HostArrays;
  readonly metrics: readonly string[];
  readonly inPlace: boolean;
}

async function runStep(
  session: Session,
  { batch, values, into, metrics, inPlace }: StepFeeds,
  signal: AbortSignal | undefined,
): Promise<MicroLoss> {
  const targets = Object.fromEntries(Object.entries(into).map(([name, array]) => [gradientOf(name), array]));
  const feeds = Object.fromEntries(session.inputs.map((name) => [name, batch[name] ?? values[name]])) as HostArrays;
  const results = await session.run(feeds, { ...(inPlace ? { into: targets } : {}), ...(signal ? { signal } : {}) });
  if (!inPlace) {
    for (const [name, array] of Object.entries(targets))
      array.data.set(results[name]?.data as Float32Array & BigInt64Array);
  }
  const number = (name: string): number => toNumbers(results[name] as HostArray)[0] as number;
  const mean = (part: (which: keyof Mean) => string): MicroMean => ({
    total: number(part('total')),
    targets: number(part('targets')),
  });
  return {
    ...mean((which) => which),
    metrics: Object.fromEntries(metrics.map((name) => [name, mean((which) => metricPart(name, which))])),
  };
}
