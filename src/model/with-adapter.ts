/** A model with an adapter: what it computes in another scope, by further weights. */

import { isSystem } from '../system/index.js';
import type { Model } from './model.js';
import type { LoadedAdapter } from './peft/index.js';
import { layeredWeights } from './weights.js';

/** Where a model comes with an adapter for pictures, another one takes its place. */
export function withAdapter<M extends Model>(model: M, loaded: Pick<LoadedAdapter, 'adapter' | 'values'>): M {
  const { pictureAdapter } = model;
  const { adapt, weights, network } = pictureAdapter?.without ?? model;
  const { adapter, values } = loaded;
  return {
    ...model,
    adapt: (p) => adapt(adapter.adapt(p)),
    weights: layeredWeights(weights, values),
    network: adapter.around && isSystem(network) ? adapter.around(network) : network,
    ...(pictureAdapter ? { pictureAdapter: { ...pictureAdapter, ...loaded } } : {}),
  };
}

/** The model as it answers in a conversation with pictures, or in one without any. */
export function speaking<M extends Model>(model: M, pictures: boolean): M {
  if (pictures || !model.pictureAdapter) return model;
  const { adapt, network } = model.pictureAdapter.without;
  return { ...model, adapt, network };
}
