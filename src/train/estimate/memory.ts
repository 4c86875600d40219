/**
 * How much memory a stage takes, before it is begun: what the process has already, weights as the engine holds them, what
 * learns with its gradients and the optimiser's state, and the values of a pass.
 */
import { type Graph, nameOf, type OpName, ops } from '../../graph/index.js';
import type { Model } from '../../model/index.js';
import type { Declaration } from '../../nn/index.js';
import type { HostArrays, Objective, Optimizer, Pruning } from '../../system/index.js';
import { byteSizeOf, dtypes, type HostArray, sizeOf, zerosArray } from '../../tensor/index.js';
import { arenaBytes } from '../arena.js';
import { arenaOptions, type LearnerOptions } from '../learner.js';
import type { PreparedStep } from '../step.js';
import { measure, operationsOf, peakOfValues, type Sizes, sizesOf } from './schedule.js';

/** Bytes of a process that has loaded a model, where it has no meter. */
export const usualProcess = 160 * 2 ** 20;

/** What a session takes beside weights and values, in bytes: at all, and for each operator. Measured by `npm run estimates`. */
const sessionBytes = 20 * 2 ** 20;
const operatorBytes = 12 * 2 ** 10;

/** How much more the engine's store of memory takes than is in use at once. Measured likewise. */
const spread = 1.15;

export interface MemoryOptions {
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  /** What is cut after each step; default nothing. */
  readonly pruning?: Pruning | undefined;
  /** The micro-batches of a step. */
  readonly batches: readonly HostArrays[];
  /** Bytes that the process has before the stage begins. */
  readonly before: number;
  /** Bytes that making the batches takes besides them; default none. */
  readonly beside?: number | undefined;
}

/** The most bytes that a process has in memory while it runs a stage, but for evaluations. */
export function memoryOf(model: Model, step: PreparedStep, options: MemoryOptions): number {
  const { optimizer, pruning, batches, before, beside = 0 } = options;
  const sizes = batches.map((batch) => batchSizes(model, step, { batch, objective: options.objective }));
  const { fed } = learningBy(model, step);
  const most = (graph: Graph): number => spread * Math.max(...sizes.map(peakOfValues(graph)));
  const whole: Holding = { model, declarations: step.declarations, known: step.known, fed, copies: step.copies };
  const weights = weightsOf(step.graph, whole);
  const { preliminaries } = step.before;
  const sessions = preliminaries.map(({ graph, declarations, learns }) =>
    total(weightsOf(graph, { ...whole, declarations, fed: learns ? fed : new Set() })),
  );
  const batchBytes = batches.flatMap(Object.values<HostArray>).reduce((sum, { data }) => sum + data.byteLength, 0);
  return (
    before +
    beside +
    learntBytes(model, step.trained, { optimizer, accumulates: batches.length > 1, pruning }) +
    [total(weights), ...sessions].reduce((sum, bytes) => sum + bytes) +
    // While a session is made, the largest weight is there once more.
    Math.max(weights.largest, most(step.graph) + Math.max(0, ...preliminaries.map(({ graph }) => most(graph)))) +
    // The next step's batch is made while this one's is used.
    2 * batchBytes
  );
}

/** A model as a stage teaches it. */
export interface LearningModel {
  readonly model: Model;
  /** The parameters that learn, by name: sessions are fed them. */
  readonly fed: ReadonlySet<string>;
}

export const learningBy = (model: Model, { trained }: Pick<PreparedStep, 'trained'>): LearningModel => ({
  model,
  fed: new Set(trained.map(({ name }) => name)),
});

/** The most bytes that a session takes which computes a graph over the weights of a model. */
export interface SessionMemory {
  /** As long as it is open. */
  readonly held: number;
  /** In a run. */
  values(sizes: Sizes): number;
}

export function sessionMemory(
  model: Pick<Model, 'weights'>,
  graph: Graph,
  declarations: Holding['declarations'],
  fed: Holding['fed'] = new Set(),
): SessionMemory {
  const peak = peakOfValues(graph);
  return {
    held: total(weightsOf(graph, { model, declarations, fed, known: new Map(), copies: true })),
    values: (sizes) => spread * peak(sizes),
  };
}

type Learning = Omit<LearnerOptions, 'steps'>;

/** The arena, and values that the model has in memory besides. What is given in the end is copied when the session is gone. */
function learntBytes({ weights }: Model, trained: PreparedStep['trained'], learning: Learning): number {
  const tensors = trained.map(({ name, shape }) => ({ name, shape: shape as readonly number[] }));
  let bytes = arenaBytes(tensors, arenaOptions(learning));
  for (const declaration of trained) {
    if (isInMemory(weights, declaration)) bytes += 4 * sizeOf(declaration.shape);
  }
  return bytes;
}

const isInMemory = (weights: Model['weights'], declaration: Declaration): boolean =>
  !weights.has(declaration.name) || weights.stored(declaration) === undefined;

/** What the letters of a micro-batch's dimensions are, with all that is found out about it before the pass. */
export function batchSizes(
  { network }: Pick<Model, 'network'>,
  { before, types }: Pick<PreparedStep, 'before' | 'types'>,
  { batch, objective }: { readonly batch: HostArrays; readonly objective: Objective },
): Sizes {
  const all = { ...network.inputs, ...types };
  const given = sizesOf(all, batch);
  // Whatever their values are, what is found out has these shapes.
  const { dim } = measure(given);
  const found = before.preliminaries.flatMap(({ graph }) =>
    Object.entries(graph.outputs).map(([name, { dtype, shape }]) => [name, zerosArray(dtype, shape.map(dim))]),
  );
  const known = { ...batch, ...Object.fromEntries(found) };
  return sizesOf(all, { ...known, ...objective.host?.match?.(known, network) });
}

/** How a session holds the weights of its graph. */
interface Holding {
  readonly model: Pick<Model, 'weights'>;
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Those in integers. */
  readonly known: PreparedStep['known'];
  readonly fed: ReadonlySet<string>;
  readonly copies: boolean;
}

interface SessionBytes {
  readonly weights: number;
  readonly operators: number;
  readonly largest: number;
}

const total = ({ weights, operators }: SessionBytes): number => sessionBytes + operators * operatorBytes + weights;

/** What the weights of a session take: in their files as far as they are read, and in copies. */
function weightsOf(graph: Graph, holding: Holding): SessionBytes {
  const uses = usesOf(graph, holding.copies);
  const sizes = graph.parameters.map((tensor) => {
    const name = nameOf(tensor);
    const bytes = byteSizeOf(tensor.dtype, tensor.shape as readonly number[]);
    return holding.fed.has(name) ? 0 : heldBytes(name, bytes, { ...holding, use: uses.get(name) ?? unused });
  });
  return {
    weights: sizes.reduce((sum, bytes) => sum + bytes, 0),
    operators: graph.nodes.length,
    largest: Math.max(0, ...sizes),
  };
}

/** The layouts that a weight is copied into, and whether it is read as it is: whole, or single rows of it. */
interface Use {
  readonly layouts: ReadonlySet<string>;
  readonly read: boolean;
  readonly picked: boolean;
}

const unused: Use = { layouts: new Set(), read: false, picked: false };

function usesOf(graph: Graph, copies: boolean): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  for (const { node, reads } of operationsOf(graph)) {
    const { laidOut, picks } = ops[node.kind as OpName];
    for (const [index, { node: source }] of reads.entries()) {
      if (source.kind !== 'Parameter') continue;
      const name = source.name as string;
      const use = uses.get(name) ?? unused;
      // Products that read a weight the same way round share its copy.
      const layout = `${node.kind} ${node.inputs[index] === reads[index]}`;
      if (copies && index === laidOut) uses.set(name, { ...use, layouts: new Set([...use.layouts, layout]) });
      else uses.set(name, { ...use, ...(picks && index === 0 ? { picked: true } : { read: true }) });
    }
  }
  return uses;
}

function heldBytes(name: string, bytes: number, { model, declarations, known, use }: Holding & { readonly use: Use }) {
  const copies = use.layouts.size * bytes;
  const declaration = declarations.get(name);
  // Integers are mapped from the cache, and read where they are not copied.
  if (known.has(name) || !declaration) return use.read ? copies + bytes : copies;
  if (isInMemory(model.weights, declaration)) return bytes + copies;
  const dtype = model.weights.stored(declaration)?.dtype as string;
  if (dtype === 'f32') return use.read ? copies + bytes : copies;
  // Blocks are expanded, other floating-point numbers where more is read than rows; what is but copied is freed.
  const isExpanded = use.read || (use.picked && !Object.hasOwn(dtypes, dtype));
  return isExpanded ? copies + bytes : copies;
}
