/**
 * Adapters: transformations of the scope, known to no part.
 *
 * `...` any leading axes
 */
import { type Tensor, transpose } from '../../graph/index.js';
import { type Declaration, type Glob, matches, type Params, wrapScope } from '../../nn/index.js';
import type { HostArray } from '../../tensor/index.js';
import type { System } from '../system.js';

export interface Adapter {
  /** The scope in which the adapter takes part. */
  adapt(p: Params): Params;
  /** The parameters that learn with it, as patterns over their names. */
  readonly parameters: readonly Glob[];
  /** Its parameters that do not learn. */
  readonly frozen?: readonly Glob[];
  /** The system around whose text or attention something is put. */
  around?(system: System): System;
  /** Where a parameter begins by a weight of the base. */
  begin?(name: string): Beginning | undefined;
  /** What the loss has besides, of the adapter's parameters. */
  penalty?(declarations: ReadonlyMap<string, Declaration>): Tensor;
  /** What is cut from its parameters while they learn. */
  readonly pruning?: Pruning;
  /** Whether layers with it stay linear, so that it can be merged into the weights. */
  readonly merges: boolean;
}

/** How a parameter begins: computed from a weight of the base, by its name. */
export interface Beginning {
  readonly weight: string;
  of(weight: HostArray): HostArray;
}

/** What is cut from parameters while they learn, after each step and on the host. */
export interface Pruning {
  /** What is remembered of a parameter: the shape of each array, which begins with zeros, by its name; of others nothing. */
  state(parameter: {
    readonly name: string;
    readonly shape: readonly number[];
  }): Readonly<Record<string, readonly number[]>>;
  /** After the step of this number, counted from 0; of the parameters of which something is remembered, by name. */
  afterStep(step: number, parameters: ReadonlyMap<string, Prunable>): void;
  /** Cuts what was cut before, and may have grown again, from values that are final. */
  settle(parameter: Pick<Prunable, 'values' | 'state'>): void;
}

/** A parameter that something is cut from, in place. */
export interface Prunable {
  readonly values: Float32Array;
  /** The gradients that the optimiser has moved the values by. */
  readonly slopes: Float32Array;
  readonly state: Readonly<Record<string, Float32Array>>;
}

/** A linear layer that an adapter changes, and the x [..., in] that it is given. */
export interface Layer {
  /** Its scope without the adapter. */
  readonly p: Params;
  readonly x: Tensor;
  readonly out: number;
  /** Its product with x or with what takes the place of x: W x [..., out]. */
  product(x: Tensor): Tensor;
  /** W [out, in], whole, after its product. */
  weight(): Tensor;
}

/** The layers that settings are for, as patterns over their paths. */
export interface Placed {
  readonly on: readonly Glob[];
}

/** Of several settings, the first that is for a path. */
export const settingsFor = <Own extends Placed>(settings: readonly Own[], path: string): Own | undefined =>
  settings.find(({ on }) => matches(path, on));

/** The names of parameters in the layers that settings are for. */
export const namesIn = (settings: readonly Placed[], names: readonly string[]): Glob[] =>
  settings.flatMap(({ on }) => on.map((glob) => `${glob}.${names.length > 1 ? `{${names}}` : names}`));

/**
 * Whether a scope's layer takes part: a second use of a weight does only where the first one did. A head that is tied to
 * an embedding table is none of the table's layer.
 */
export const takesPart = (p: Params, names: readonly string[]): boolean =>
  !p.isShared || names.some((name) => p.has(name));

/** What an adapter does in the layers that its settings are for. */
interface Change<Own extends Placed> {
  readonly settings: readonly Own[];
  /** The names of the parameters that a layer may have by it. */
  readonly names: readonly string[];
}

/** The scope in which `change` computes the products of the layers that settings are for, of either layout. */
export function changeProducts<Own extends Placed>(
  p: Params,
  { settings, names }: Change<Own>,
  change: (layer: Layer, settings: Own) => Tensor,
): Params {
  return wrapScope(p, (inner) => {
    const found = settingsFor(settings, inner.path);
    if (!found || !takesPart(inner, names)) return {};
    const changed =
      (verb: 'product' | 'inOutProduct'): Params['product'] =>
      (name, x, out, init) => {
        if (name !== 'weight') return inner[verb](name, x, out, init);
        const width = x.size(-1);
        const layer: Layer = {
          ...{ p: inner, x, out },
          product: (operand) => inner[verb](name, operand, out, init),
          weight: () => {
            // Where products read integers, the weight itself was not declared.
            const at = inner.has(name) ? inner.shared : inner;
            return verb === 'product' ? at.get(name, [out, width], init) : transpose(at.get(name, [width, out], init));
          },
        };
        return change(layer, found);
      };
    return { product: changed('product'), inOutProduct: changed('inOutProduct') };
  });
}
