/** A model with an adapter: what it computes in another scope, by further weights. */

import { isSystem } from '../system/index.js';
import type { Model } from './model.js';
import type { LoadedAdapter } from './peft/index.js';
import { layeredWeights } from './weights.js';

/** The model as its weights are, without the adapter for pictures that it may come with. */
export function withoutAdapter<M extends Model>(model: M): M {
  if (!model.pictureAdapter) return model;
  const { pictureAdapter, ...rest } = model;
  const { adapt, weights, network } = pictureAdapter.without;
  return { ...rest, adapt, weights, network } as M;
}

/** Where a model comes with an adapter for pictures, another one takes its place. */
export function withAdapter<M extends Model>(model: M, loaded: Pick<LoadedAdapter, 'adapter' | 'values'>): M {
  const { pictureAdapter } = model;
  const base = withoutAdapter(model);
  const { adapter, values } = loaded;
  return {
    ...base,
    adapt: (p) => base.adapt(adapter.adapt(p)),
    weights: layeredWeights(base.weights, values),
    network: adapter.around && isSystem(base.network) ? adapter.around(base.network) : base.network,
    ...(pictureAdapter ? { pictureAdapter: { ...pictureAdapter, ...loaded } } : {}),
  };
}

/** The model as it answers in a conversation with pictures, or in one without any. */
export function speaking<M extends Model>(model: M, pictures: boolean): M {
  if (pictures || !model.pictureAdapter) return model;
  const { adapt, network } = model.pictureAdapter.without;
  return { ...model, adapt, network };
}
