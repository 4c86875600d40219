/**
 * What an objective needs to know before a pass: what the frozen reference and the network as it is give for a batch, and
 * what the host makes of that. Each is a session of its own over the same weights, held as the pass holds them.
 */
import { type Graph, graph } from '../graph/index.js';
import { type Model, openSession } from '../model/index.js';
import { type Declaration, type Params, rootScope } from '../nn/index.js';
import type { Binding } from '../onnx/index.js';
import { alone, type ProcessGroup } from '../parallel/group.js';
import type { RunOptions, Session } from '../runtime/engine.js';
import {
  type HostArrays,
  type InputType,
  inputTensors,
  type Network,
  type Objective,
  plainOf,
} from '../system/index.js';
import { closeAll, closeOnFailure, scalar } from '../tensor/index.js';
import type { Reference } from './step.js';

type InputTypes = Readonly<Record<string, InputType>>;

interface Asked {
  readonly objective: Objective;
  /** What a batch holds. */
  readonly types: InputTypes;
  readonly reference: Reference;
  /** The scope of the network as it learns. */
  readonly current: (p: Params) => Params;
}

/** A graph that runs before the pass. */
interface Preliminary {
  readonly graph: Graph;
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Whether the parameters that learn have their newest values. */
  readonly learns: boolean;
}

export interface ForeknowledgePlan {
  readonly preliminaries: readonly Preliminary[];
  /** The fields that are added to a batch. */
  readonly types: InputTypes;
}

/** Traces what an objective asks for. */
export function planForeknowledge(network: Network, asked: Asked): ForeknowledgePlan {
  const { objective, types } = asked;
  const trace = (build: Objective['reference'], { adapt, around }: Reference, learns: boolean): Preliminary[] => {
    if (!build) return [];
    const { p, declarations } = rootScope();
    const own = around ? network : plainOf(network);
    return [{ graph: graph('before', build(own, adapt(p), inputTensors(types))), declarations, learns }];
  };
  const preliminaries = [
    ...trace(objective.reference, asked.reference, false),
    ...trace(objective.current, { adapt: asked.current, around: true }, true),
  ];
  const found = preliminaries.flatMap(({ graph: { outputs } }) => Object.entries(outputs));
  const outputTypes = found.map(([name, { dtype, shape }]): [string, InputType] => [name, { dtype, shape }]);
  return { preliminaries, types: { ...Object.fromEntries(outputTypes), ...objective.host?.fields } };
}

export interface Foreknowledge {
  /** The micro-batches of a step with all that is known of them. */
  of(batches: readonly HostArrays[], values: HostArrays, signal?: AbortSignal): Promise<readonly HostArrays[]>;
  close(): Promise<void>;
}

export interface ForeknowledgeOptions {
  /** The parameters that learn. */
  readonly fed: ReadonlySet<string>;
  /** Weights in integers. */
  readonly known: ReadonlyMap<string, Binding>;
  /** The processes that share a step; default this one alone. */
  readonly group?: ProcessGroup;
}

/** Opens the sessions of a plan. */
export async function openForeknowledge(
  model: Model,
  { host }: Objective,
  { preliminaries }: ForeknowledgePlan,
  { fed, known: bound, group = alone }: ForeknowledgeOptions,
): Promise<Foreknowledge> {
  const sessions: Session[] = [];
  const close = (): Promise<void> => closeAll(...sessions);
  await closeOnFailure([{ close }], async () => {
    for (const { graph: built, declarations, learns } of preliminaries) {
      sessions.push(await openSession(model, built, declarations, { known: bound, ...(learns && { fed }) }));
    }
  });
  return {
    async of(batches, values, signal) {
      const known: HostArrays[] = [];
      for (const batch of batches) {
        const found = { ...batch };
        for (const session of sessions) Object.assign(found, await ask(session, batch, values, signal));
        known.push({ ...found, ...host?.match?.(found, model.network) });
      }
      if (!host?.tally) return known;
      const { tally, fields } = host;
      const sums = tallied((await group.gather(known.map((batch) => tally(batch, model.network)))).flat(), fields);
      return known.map((batch) => ({ ...batch, ...sums }));
    },
    close,
  };
}

async function ask(session: Session, batch: HostArrays, values: HostArrays, signal: RunOptions['signal']) {
  const feeds = Object.fromEntries(session.inputs.map((name) => [name, batch[name] ?? values[name]])) as HostArrays;
  return session.run(feeds, signal ? { signal } : {});
}

/** The sums over the micro-batches of a step, as scalars. */
function tallied(numbers: readonly Readonly<Record<string, number>>[], fields: InputTypes): HostArrays {
  const sums: Record<string, number> = {};
  for (const own of numbers) for (const [name, number] of Object.entries(own)) sums[name] = (sums[name] ?? 0) + number;
  return Object.fromEntries(
    Object.entries(sums).map(([name, sum]) => [name, scalar(fields[name]?.dtype ?? 'f32', sum)]),
  );
}
