/** The widths of the layers that an adapter is for. */

import { type Glob, matches, type Params, rootScope, wrapScope } from '../../nn/index.js';
import { inputTensors, type Network } from '../network.js';

/** Of the linear layers whose paths the patterns name, the most that any is given and gives. */
export function widestOf(network: Network, on: readonly Glob[]): { readonly in: number; readonly out: number } {
  const widest = { in: 1, out: 1 };
  const noting = (verb: 'product' | 'inOutProduct', inner: Params): Params['product'] => {
    return (name, x, out, init) => {
      if (name === 'weight' && !inner.isShared && matches(inner.path, on)) {
        widest.in = Math.max(widest.in, x.size(-1));
        widest.out = Math.max(widest.out, out);
      }
      return inner[verb](name, x, out, init);
    };
  };
  const scope = wrapScope(rootScope().p, (inner) => ({
    product: noting('product', inner),
    inOutProduct: noting('inOutProduct', inner),
  }));
  network.forward(scope, inputTensors(network.inputs));
  return widest;
}
