/** From a function over a scope to a session of an engine. */

import { type Graph, graph } from '../graph/index.js';
import { type Declaration, type Params, rootScope } from '../nn/index.js';
import { type Binding, lower } from '../onnx/index.js';
import type { Engine, Session, SessionOptions } from '../runtime/engine.js';
import { type HostArrays, type Piece, type Pieces, quantised, type Tensors, type WeightForm } from '../system/index.js';
import { type HostArray, QuintetError } from '../tensor/index.js';
import type { Weights } from './weights.js';

/** What compiling needs of a model. */
export interface Compiler {
  readonly engine: Engine;
  readonly weights: Weights;
  /** Scope transformations: adapters. */
  readonly adapt: (p: Params) => Params;
  readonly session: SessionOptions;
  /** Parameters whose numbers change while sessions last, by name: each run is given them as they are then. */
  readonly living?: HostArrays;
}

/** Weights in integers for one kind of session. */
export interface Packed {
  form(name: string): WeightForm | undefined;
  bind(piece: Piece): Binding;
}

/** The weights of a language model in integers. */
export interface PackedModel {
  /** For single tokens. */
  readonly decode: Packed;
  /** For prompts; undefined where the same serves both. */
  readonly prefill: Packed | undefined;
}

/**
 * Builds the named outputs in a fresh scope and hands the graph to the engine, with its parameters bound: those that
 * `packed` knows in integers.
 */
export async function compile(...compiled: Parameters<typeof prepare>): Promise<Session> {
  const make = await prepare(...compiled);
  return make();
}

/** The same in two steps: what is returned hands the graph to the engine. */
export async function prepare(
  compiler: Compiler,
  name: string,
  build: (p: Params) => Tensors,
  packed?: Packed,
): Promise<() => Promise<Session>> {
  const { p, declarations } = rootScope();
  if (!packed) return prepareSession(compiler, graph(name, build(compiler.adapt(p))), declarations);
  const held = holding(packed);
  const built = graph(name, build(compiler.adapt(held.adapt(p))));
  return prepareSession(compiler, built, declarations, { known: held.known() });
}

/** A scope in which weights are read packed, and how what was read of them in it is bound. */
export function holding(packed: Packed): { adapt(p: Params): Params; known(): ReadonlyMap<string, Binding> } {
  const pieces: Pieces = new Map();
  return {
    adapt: (p) => quantised(p, (weight) => packed.form(weight), pieces),
    known: () => new Map([...pieces].map(([piece, own]) => [piece, packed.bind(own)])),
  };
}

interface Bound {
  /** Parameters that are inputs instead. */
  readonly fed?: ReadonlySet<string>;
  /** How parameters are bound that no scope declared. */
  readonly known?: ReadonlyMap<string, Binding>;
}

/** A session of a graph whose parameters are bound to the weights. */
export async function openSession(...prepared: Parameters<typeof prepareSession>): Promise<Session> {
  const make = await prepareSession(...prepared);
  return make();
}

async function prepareSession(
  { engine, weights, session, living = {} }: Compiler,
  built: Graph,
  declarations: ReadonlyMap<string, Declaration>,
  { fed = new Set(), known = new Map() }: Bound = {},
): Promise<() => Promise<Session>> {
  const bindings = new Map<string, Binding>(known);
  const given = { ...living };
  for (const { node } of built.parameters) {
    const name = node.name as string;
    if (fed.has(name) || known.has(name) || Object.hasOwn(living, name)) continue;
    const declaration = declarations.get(name);
    if (!declaration) throw new QuintetError('name', `"${name}" was declared in another scope`, { at: built.name });
    const binding = await weights.bind(declaration);
    const own = engine.inPlace && session.copies === false ? inMemory(binding, declaration) : undefined;
    if (own) given[name] = own;
    else bindings.set(name, binding);
  }
  const lowered = lower(built, bindings);
  return async () => alive(await engine.createSession(lowered, session), given);
}

/** From this size on, weights in memory are given to every run where no copies are to be made: the engine makes one otherwise. */
const givenBytes = 2 ** 16;

/** The array that a parameter is bound to; undefined where it lies in a file, is expanded for this session or is small. */
function inMemory({ dtype, source }: Binding, { shape, tensor }: Declaration): HostArray | undefined {
  if (dtype !== 'f32' || tensor.dtype !== 'f32' || !('bytes' in source) || source.givenAway) return undefined;
  const { buffer, byteOffset, byteLength } = source.bytes;
  if (byteLength < givenBytes) return undefined;
  return { dtype, shape, data: new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4) };
}

/** A session that is fed arrays of its own, besides what it is given. */
function alive(session: Session, given: HostArrays): Session {
  const own = Object.fromEntries(Object.entries(given).filter(([name]) => session.inputs.includes(name)));
  if (Object.keys(own).length === 0) return session;
  return {
    inputs: session.inputs.filter((name) => !Object.hasOwn(own, name)),
    outputs: session.outputs,
    run: (feeds, options) => session.run({ ...own, ...feeds }, options),
    close: () => session.close(),
  };
}
