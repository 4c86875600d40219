/** What virtual tokens give every cache to begin with: their keys and values. */

import { gather, type Tensor, unsqueeze } from '../graph/index.js';
import { type Params, splitHeads } from '../nn/index.js';
import {
  type CacheLayer,
  cacheNames,
  growingCache,
  keysValuesOf,
  type System,
  type Tensors,
  type VirtualTokens,
} from '../system/index.js';
import { type HostArray, hostArray, zerosArray } from '../tensor/index.js';
import { compile, type Packed } from './compile.js';
import { languageGraph, ownWords } from './language-graph.js';
import type { Model } from './model.js';

/** Keys and values [1, G, V, K] by the names of a cache's arrays; none where a system has no virtual tokens. */
export async function virtualKeys(
  model: Model<System>,
  layers: readonly CacheLayer[],
  packed: Packed | undefined,
): Promise<Readonly<Record<string, HostArray>>> {
  const { virtual } = model.network;
  if (!virtual) return {};
  const build = (p: Params): Tensors =>
    virtual.as === 'keys'
      ? learntKeys(virtual.tensor(p, widthOf(layers)), layers)
      : languageGraph(model.network, p, growingCache(), {
          ...ownWords(model.network),
          embed: (scope, ids) => gather(virtual.tensor(scope, model.network.backbone.part.width), ids),
        }).caches;
  const session = await compile(model, `${model.network.name} virtual tokens`, build, packed);
  try {
    const feeds = wordFeeds(virtual, layers);
    const used = Object.fromEntries(session.inputs.map((name) => [name, feeds[name] as HostArray]));
    const results = await session.run(used);
    const pairs = layers.flatMap((_, layer) => {
      const { past, present } = cacheNames(layer);
      return past.map((name, i): [string, HostArray] => [name, results[present[i] as string] as HostArray]);
    });
    return Object.fromEntries(pairs);
  } finally {
    await session.close();
  }
}

/** Numbers a token of all layers' keys and values. */
const widthOf = (layers: readonly CacheLayer[]): number =>
  layers.reduce((sum, { kvHeads, headWidth }) => sum + 2 * kvHeads * headWidth, 0);

function learntKeys(all: Tensor, layers: readonly CacheLayer[]): Tensors {
  const pairs = layers.flatMap(({ kvHeads, headWidth }, layer) => {
    const { present } = cacheNames(layer);
    const made = keysValuesOf(all, layer, kvHeads * headWidth);
    return present.map((name, i) => [name, splitHeads(unsqueeze(made[i] as Tensor, 0), kvHeads)] as const);
  });
  return Object.fromEntries(pairs);
}

/** Virtual words are read as the first of a text. */
function wordFeeds({ count }: VirtualTokens, layers: readonly CacheLayer[]): Record<string, HostArray> {
  const places = Array.from({ length: count }, (_, i) => i);
  const feeds: Record<string, HostArray> = {
    ids: hostArray('i64', [1, count], places),
    positions: hostArray('i64', [1, count], places),
    seen: hostArray(
      'bool',
      [1, count],
      places.map(() => 1),
    ),
    length: hostArray('i64', [], [count]),
  };
  for (const [layer, { kvHeads, headWidth }] of layers.entries()) {
    for (const name of cacheNames(layer).past) feeds[name] = zerosArray('f32', [1, kvHeads, 0, headWidth]);
  }
  return feeds;
}
