/** A stage compiled into one graph: a batch and the trained parameters in, the loss and the gradients out. */

import { concat, type Graph, gradients, graph, reshape, slice, type Tensor } from '../graph/index.js';
import { type Model, openSession } from '../model/index.js';
import { type Declaration, type Glob, rootScope, select } from '../nn/index.js';
import type { Session } from '../runtime/engine.js';
import { type HostArrays, inputTensors, learningRows, type Objective, tableRows } from '../system/index.js';
import { type HostArray, QuintetError, toNumbers } from '../tensor/index.js';

/** A stage's trained parameters, and its pass over one micro-batch. */
export interface StageStep {
  /** The parameters that learn, in the order in which the network declares them. */
  readonly trained: readonly Declaration[];
  /** Everything that the objective declares, trained or not. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Selected by the patterns, but out of the loss's reach. */
  readonly unreached: readonly string[];
  /** One pass: writes the gradients of the loss's total into `into`, by parameter. */
  run(batch: HostArrays, values: HostArrays, into: HostArrays, signal?: AbortSignal): Promise<MicroLoss>;
  close(): Promise<void>;
}

/** The loss of a micro-batch: its sum and the number of its targets. */
export interface MicroLoss {
  readonly total: number;
  readonly targets: number;
}

export interface StepOptions {
  readonly objective: Objective;
  readonly train: readonly Glob[];
  /** The names of the tensors in every batch. */
  readonly fields: readonly string[];
}

const gradientOf = (name: string): string => `gradient of ${name}`;

/** A stage's graph, and what of it learns. */
export interface StepPlan extends Pick<StageStep, 'trained' | 'declarations' | 'unreached'> {
  readonly graph: Graph;
}

/** Traces and differentiates a stage. All mistakes of shape, name and pattern are found here, before any step. */
export function planStep(
  { network, adapt }: Pick<Model, 'network' | 'adapt'>,
  { objective, train, fields }: StepOptions,
): StepPlan {
  const { p, declarations } = rootScope();
  const unknown = fields.find((name) => !network.inputs[name]);
  if (unknown) throw new QuintetError('name', `${network.name} has no input "${unknown}"`, { at: 'batch' });
  const types = Object.fromEntries(
    fields.map((name) => [name, network.inputs[name] as (typeof network.inputs)[string]]),
  );
  const { total, targets } = objective.loss(
    network,
    learningRows(tableRows(train)).adapt(adapt(p)),
    inputTensors(types),
  );
  const names = select([...declarations.keys()], train, 'train');
  const selected = names.map((name) => declarations.get(name) as Declaration);
  const slopes = gradients(
    total,
    selected.map(({ tensor }) => tensor),
  );
  const trained = selected.filter((_, i) => slopes[i]);
  if (trained.length === 0)
    throw new QuintetError('name', 'the loss reaches none of the trained parameters', { at: 'train' });
  const reached = slopes.filter((slope) => slope !== null);
  const named = trained.map(({ name }, i) => [gradientOf(name), reached[i] as Tensor]);
  return {
    trained,
    declarations,
    unreached: selected.filter((_, i) => !slopes[i]).map(({ name }) => name),
    graph: graph('step', { total, targets, ...Object.fromEntries(named), done: ordering(reached) }),
  };
}

/** A stage that can run. */
export async function compileStep(model: Model, options: StepOptions): Promise<StageStep> {
  const { graph: built, ...plan } = planStep(model, options);
  const fed = new Set(plan.trained.map(({ name }) => name));
  const training = { ...model, session: { ...model.session, purpose: 'train' as const } };
  const session = await openSession(training, built, plan.declarations, { fed });
  return {
    ...plan,
    run: (batch, values, into, signal) =>
      runStep(session, { batch, values, into, inPlace: model.engine.inPlace }, signal),
    close: () => session.close(),
  };
}

/**
 * One element of every gradient. ONNX Runtime runs nodes that nothing depends on last; asked for this, it computes each
 * gradient as soon as it can, and frees the activations that it came from.
 */
function ordering(slopes: readonly Tensor[]): Tensor {
  return concat(
    slopes.map((slope) => slice(reshape(slope, [slope.shape.reduce<number>((a, b) => a * (b as number), 1)]), 0, 0, 1)),
    0,
  );
}

interface StepFeeds {
  readonly batch: HostArrays;
  readonly values: HostArrays;
  readonly into: HostArrays;
  readonly inPlace: boolean;
}

async function runStep(
  session: Session,
  { batch, values, into, inPlace }: StepFeeds,
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
  return { total: number('total'), targets: number('targets') };
}
