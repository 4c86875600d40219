/**
 * Parameter scopes: a model is a pure function over one.
 *
 * `p.get('weight', [out, in])` declares a parameter, initialises, uses and binds it in one expression; the scope's path and
 * the name are the checkpoint's tensor name. A weight is used whole, in a product, or row by row, and a scope has a verb
 * for each, so that a transformation (an adapter, quantisation) can put another computation in its place.
 */
import { gather, matmul, parameter, type Tensor, transpose } from '../graph/index.js';
import { formatShape, QuintetError, sameShape, sizeOf } from '../tensor/index.js';
import { type Init, normal } from './init.js';

export interface Params {
  /** The path so far, without a dot at its end. */
  readonly path: string;
  /** The scope within. */
  at(...names: readonly (string | number)[]): Params;
  /** A parameter, whole. */
  get(name: string, shape: readonly number[], init?: Init): Tensor;
  /** x [..., in] times the transpose of the parameter [out, in] -> [..., out]. */
  product(name: string, x: Tensor, out: number, init?: Init): Tensor;
  /** The products of one x with the `weight` of several layers in this scope: some transformations compute them at once. */
  products(layers: readonly LayerWidth[], x: Tensor, init?: Init): Tensor[];
  /** x [..., in] times the parameter [in, out], as some families store it -> [..., out]. */
  inOutProduct(name: string, x: Tensor, out: number, init?: Init): Tensor;
  /** The rows of the parameter [count, width] at ids [...] -> [..., width]. */
  rows(name: string, ids: Tensor, table: readonly [count: number, width: number], init?: Init): Tensor;
  /** What a linear layer gives, its product with its bias: where transformations may go on from. */
  result(y: Tensor): Tensor;
  /** Whether a parameter was declared already. */
  has(name: string): boolean;
  /** The same scope for parameters that were declared before: a second use is said aloud. */
  readonly shared: Params;
  readonly isShared: boolean;
}

export type LayerWidth = readonly [layer: string, out: number];

/** A parameter that a model asked for. */
export interface Declaration {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  readonly tensor: Tensor;
}

export interface RootScope {
  readonly p: Params;
  /** What was asked for so far, by name, in order. */
  readonly declarations: ReadonlyMap<string, Declaration>;
}

/** An empty root scope; whatever is built in it declares its parameters. */
export function rootScope(): RootScope {
  const declarations = new Map<string, Declaration>();
  return { p: scope(declarations, '', false), declarations };
}

function scope(declarations: Map<string, Declaration>, path: string, again: boolean): Params {
  const get = (name: string, shape: readonly number[], init: Init = normal(0.02)): Tensor => {
    const full = join(path, name);
    const known = declarations.get(full);
    if (again || known) return reuse(full, known, shape, again);
    checkDeclaration(full, shape, declarations.size);
    const tensor = parameter(full, 'f32', shape);
    declarations.set(full, { name: full, shape, init, tensor });
    return tensor;
  };
  const self: Params = {
    path,
    at: (...names) => scope(declarations, names.filter((name) => name !== '').reduce<string>(join, path), again),
    get,
    product: (name, x, out, init) => matmul(x, transpose(get(name, [out, x.size(-1)], init))),
    products: (layers, x, init) => layers.map(([layer, out]) => self.at(layer).product('weight', x, out, init)),
    inOutProduct: (name, x, out, init) => matmul(x, get(name, [x.size(-1), out], init)),
    rows: (name, ids, table, init) => gather(get(name, table, init), ids),
    result: (y) => y,
    has: (name) => declarations.has(join(path, name)),
    get shared() {
      return scope(declarations, path, true);
    },
    isShared: again,
  };
  return self;
}

/** Several times as many as the deepest published models have. */
const mostParameters = 2 ** 16;

/** Sizes come from configuration files, and may be anything. */
function checkDeclaration(name: string, shape: readonly number[], before: number): void {
  if (before >= mostParameters) {
    throw new QuintetError('limit', `more than ${mostParameters} parameters`, { at: name });
  }
  if (shape.every((size) => Number.isSafeInteger(size) && size > 0) && Number.isSafeInteger(sizeOf(shape))) return;
  throw new QuintetError('config', `a parameter cannot be ${formatShape(shape)}`, {
    at: name,
    hint: 'sizes are whole numbers from 1 on: look at what config.json says',
  });
}

/** The whole name of a parameter in a scope: its name in checkpoints. */
export const fullName = (p: Params, name: string): string => join(p.path, name);

function join(path: string, name: string | number): string {
  return path === '' ? `${name}` : `${path}.${name}`;
}

function reuse(name: string, known: Declaration | undefined, shape: readonly number[], again: boolean): Tensor {
  if (!known) throw new QuintetError('name', `"${name}" is shared before it is declared`);
  if (!again) {
    throw new QuintetError('name', `"${name}" is declared twice`, { hint: 'use p.shared where it is meant to be one' });
  }
  if (!sameShape(known.shape, shape)) {
    throw new QuintetError(
      'shape',
      `"${name}" is ${formatShape(known.shape)} and cannot be shared as ${formatShape(shape)}`,
    );
  }
  return known.tensor;
}

/** The verbs that a transformation may put its own computation in place of. */
export type ScopeVerbs = Pick<Params, 'get' | 'product' | 'products' | 'inOutProduct' | 'rows' | 'result'>;

/**
 * A scope in which `verbs` replaces some of the inner scope's, at every depth. Of several products of one operand, where it
 * replaces any, each is computed by itself.
 */
export function wrapScope(inner: Params, verbs: (inner: Params) => Partial<ScopeVerbs>): Params {
  const own = verbs(inner);
  const self: Params = {
    path: inner.path,
    at: (...names) => wrapScope(inner.at(...names), verbs),
    get: inner.get,
    product: inner.product,
    products: (layers, x, init) =>
      layers.some(([layer]) => verbs(inner.at(layer)).product)
        ? layers.map(([layer, out]) => self.at(layer).product('weight', x, out, init))
        : inner.products(layers, x, init),
    inOutProduct: inner.inOutProduct,
    rows: inner.rows,
    result: inner.result,
    has: inner.has,
    get shared() {
      return wrapScope(inner.shared, verbs);
    },
    isShared: inner.isShared,
    ...own,
  };
  return self;
}
