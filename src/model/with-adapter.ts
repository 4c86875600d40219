/** A model with an adapter: what it computes in another scope, by further weights. */

import { isSystem } from '../system/index.js';
import type { Model } from './model.js';
import type { LoadedAdapter } from './peft/index.js';
import { layeredWeights } from './weights.js';

export function withAdapter<M extends Model>(
  model: M,
  { adapter, values }: Pick<LoadedAdapter, 'adapter' | 'values'>,
): M {
  const { network } = model;
  return {
    ...model,
    adapt: (p) => model.adapt(adapter.adapt(p)),
    weights: layeredWeights(model.weights, values),
    ...(adapter.around && isSystem(network) ? { network: adapter.around(network) } : {}),
  };
}
