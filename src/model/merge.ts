/**
 * Adapters merged into the weights: a layer that stays linear is the weight that it makes of the identity. So each kind of
 * adapter is merged by what it computes, and has nothing else to say about it.
 */
import { constant, graph, range, sub, type Tensor, transpose } from '../graph/index.js';
import { type Declaration, fullName, type Params, rootScope, wrapScope } from '../nn/index.js';
import { type Adapter, identity, inputTensors } from '../system/index.js';
import { type HostArray, QuintetError, sameShape, toNumbers, zerosArray } from '../tensor/index.js';
import { openSession } from './compile.js';
import type { Model } from './model.js';
import { layeredWeights } from './weights.js';

/** An adapter, and the values of its parameters and of others that were trained with it. */
export interface Merging {
  readonly adapter: Adapter;
  readonly values: ReadonlyMap<string, HostArray>;
}

/** How a network uses a parameter: what a scope gives for it, as the parameter itself. */
interface Use {
  readonly path: string;
  readonly isShared: boolean;
  /** In the scope at `path`. */
  whole(p: Params, identityOf: (size: number) => Tensor): Tensor;
}

/** The final value of each parameter of the base. */
export function merged(model: Model, { adapter, values }: Merging): (declaration: Declaration) => Promise<HostArray> {
  if (!adapter.merges) {
    throw new QuintetError('unsupported', 'this adapter cannot be merged: what it does is no change of weights', {
      at: model.network.name,
      hint: 'load the model with the adapter instead',
    });
  }
  const { uses, added } = usesOf(model, adapter);
  const weights = layeredWeights(model.weights, values);
  return async (declaration) => {
    const own = uses.get(declaration.name) ?? [];
    const isAdapted = own.some(({ path }) => added.some((name) => name.startsWith(`${path}.`)));
    if (!isAdapted) return weights.read(declaration);
    const [first, ...others] = await wholes({ ...model, weights }, adapter, own);
    if (first && others.every((other) => isSame(first, other))) return first;
    throw new QuintetError('unsupported', 'it is used twice, and the adapter changes one of the uses only', {
      at: declaration.name,
      hint: 'load the model with the adapter instead',
    });
  };
}

/** What the network does with its parameters, by their names, and the names of the adapter's own. */
function usesOf({ network, declarations }: Model, adapter: Adapter) {
  const uses = new Map<string, Use[]>();
  const note = (p: Params, name: string, whole: Use['whole']): void => {
    const full = fullName(p, name);
    uses.set(full, [...(uses.get(full) ?? []), { path: p.path, isShared: p.isShared, whole }]);
  };
  const { p, declarations: all } = rootScope();
  const noting = wrapScope(adapter.adapt(p), (inner) => ({
    get(name, shape, init) {
      note(inner, name, (at) => (name === 'bias' ? at.result(at.get(name, shape, init)) : at.get(name, shape, init)));
      return inner.get(name, shape, init);
    },
    product(name, x, out, init) {
      const width = x.size(-1);
      const hasBias = declarations.has(fullName(inner, 'bias'));
      note(inner, name, (at, unit) => transpose(linearPart(at, at.product(name, unit(width), out, init), hasBias)));
      return inner.product(name, x, out, init);
    },
    inOutProduct(name, x, out, init) {
      const width = x.size(-1);
      const hasBias = declarations.has(fullName(inner, 'bias'));
      note(inner, name, (at, unit) => linearPart(at, at.inOutProduct(name, unit(width), out, init), hasBias));
      return inner.inOutProduct(name, x, out, init);
    },
    rows(name, ids, table, init) {
      note(inner, name, (at) => at.rows(name, range(0, table[0]), table, init));
      return inner.rows(name, ids, table, init);
    },
  }));
  network.forward(noting, inputTensors(network.inputs));
  return { uses, added: [...all.keys()].filter((name) => !declarations.has(name)) };
}

/** What a layer makes of the identity y [in, out], but for what it gives to nothing, which is for its bias to hold. */
function linearPart(p: Params, y: Tensor, hasBias: boolean): Tensor {
  const nothing = constant(zerosArray('f32', [1, y.size(-1)]));
  const result = p.result(y);
  const rest = p.shared.result(nothing);
  if (rest === nothing) return result;
  if (hasBias || !p.has('beft_bias')) return sub(result, rest);
  throw new QuintetError('unsupported', 'the layer has no bias to merge into', {
    at: p.path,
    hint: 'load the model with the adapter instead',
  });
}

/** What the network's uses of a parameter make of it. */
async function wholes(model: Model, adapter: Adapter, uses: readonly Use[]): Promise<HostArray[]> {
  const { p, declarations } = rootScope();
  const known = new Map<number, Tensor>();
  const identityOf = (size: number): Tensor => {
    const unit = known.get(size) ?? identity(size);
    known.set(size, unit);
    return unit;
  };
  const isUnit = (x: Tensor): boolean => known.get(x.size(-1)) === x;
  // A weight times the identity is the weight: nothing is multiplied.
  const plain = wrapScope(p, (inner) => ({
    product: (name, x, out, init) =>
      isUnit(x) ? transpose(inner.get(name, [out, x.size(-1)], init)) : inner.product(name, x, out, init),
    inOutProduct: (name, x, out, init) =>
      isUnit(x) ? inner.get(name, [x.size(-1), out], init) : inner.inOutProduct(name, x, out, init),
  }));
  const adapted = adapter.adapt(plain);
  const outputs = uses.map(({ path, isShared, whole }, i): [string, Tensor] => {
    const at = adapted.at(path);
    return [`use ${i}`, whole(isShared ? at.shared : at, identityOf)];
  });
  const built = graph('merged', Object.fromEntries(outputs));
  const session = await openSession(model, built, declarations, { fed: new Set(declarations.keys()) });
  try {
    const feeds: Record<string, HostArray> = {};
    for (const name of session.inputs) feeds[name] = await model.weights.read(declarations.get(name) as Declaration);
    const results = await session.run(feeds);
    return outputs.map(([name]) => results[name] as HostArray);
  } finally {
    await session.close();
  }
}

function isSame(a: HostArray, b: HostArray): boolean {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  return sameShape(a.shape, b.shape) && x.every((number, i) => number === y[i]);
}
