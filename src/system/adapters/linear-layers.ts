/** The linear layers of a network, and their widths. */

import { type Glob, matches, type Params, rootScope, wrapScope } from '../../nn/index.js';
import { inputTensors, type Network } from '../network.js';

/** What a layer is given and gives. */
interface Widths {
  readonly in: number;
  readonly out: number;
}

/** By their paths; without second uses of a weight, such as a head that is tied to a table. */
export function linearLayers(network: Network): ReadonlyMap<string, Widths> {
  const found = new Map<string, Widths>();
  const noting = (verb: 'product' | 'inOutProduct', inner: Params): Params['product'] => {
    return (name, x, out, init) => {
      if (name === 'weight' && !inner.isShared) found.set(inner.path, { in: x.size(-1), out });
      return inner[verb](name, x, out, init);
    };
  };
  const scope = wrapScope(rootScope().p, (inner) => ({
    product: noting('product', inner),
    inOutProduct: noting('inOutProduct', inner),
  }));
  network.forward(scope, inputTensors(network.inputs));
  return found;
}

/** Of the linear layers whose paths the patterns name, the most that any is given and gives. */
export function widestOf(network: Network, on: readonly Glob[]): Widths {
  const named = [...linearLayers(network)].flatMap(([path, widths]) => (matches(path, on) ? [widths] : []));
  const most = (side: keyof Widths): number => Math.max(1, ...named.map((widths) => widths[side]));
  return { in: most('in'), out: most('out') };
}
