/** From a function over a scope to a session of an engine. */

import { type Graph, graph } from '../graph/index.js';
import { type Declaration, type Params, rootScope } from '../nn/index.js';
import { type Binding, lower } from '../onnx/index.js';
import type { Engine, Session, SessionOptions } from '../runtime/engine.js';
import type { Tensors } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Weights } from './weights.js';

/** What compiling needs of a model. */
export interface Compiler {
  readonly engine: Engine;
  readonly weights: Weights;
  /** Scope transformations: adapters. */
  readonly adapt: (p: Params) => Params;
  readonly session: SessionOptions;
}

/** Builds the named outputs in a fresh scope and hands the graph to the engine, with its parameters bound. */
export async function compile(compiler: Compiler, name: string, build: (p: Params) => Tensors): Promise<Session> {
  const { p, declarations } = rootScope();
  return openSession(compiler, graph(name, build(compiler.adapt(p))), declarations);
}

/** A session of a graph whose parameters are bound to the weights; those that `fed` names are inputs instead. */
export async function openSession(
  { engine, weights, session }: Compiler,
  built: Graph,
  declarations: ReadonlyMap<string, Declaration>,
  fed: ReadonlySet<string> = new Set(),
): Promise<Session> {
  const bindings = new Map<string, Binding>();
  for (const { node } of built.parameters) {
    const declaration = declarations.get(node.name as string);
    if (!declaration)
      throw new QuintetError('name', `"${node.name}" was declared in another scope`, { at: built.name });
    if (!fed.has(declaration.name)) bindings.set(declaration.name, await weights.bind(declaration));
  }
  return engine.createSession(lower(built, bindings), session);
}
