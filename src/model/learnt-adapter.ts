/** An adapter's values before it learns, and when it has. */

import { graph } from '../graph/index.js';
import { type Declaration, matches, rootScope } from '../nn/index.js';
import { type Adapter, isSystem, promptName, type System, type VirtualTokens } from '../system/index.js';
import type { HostArray } from '../tensor/index.js';
import { openSession } from './compile.js';
import type { Model } from './model.js';
import { adaptedDeclarations } from './peft/index.js';
import { layeredWeights } from './weights.js';

type Values = Readonly<Record<string, HostArray>>;

/** What parameters of an adapter begin with that depends on the weights. */
export async function begunValues(model: Model, adapter: Adapter): Promise<Map<string, HostArray>> {
  const begun = new Map<string, HostArray>();
  if (!adapter.begin) return begun;
  for (const name of adaptedDeclarations(model.network, adapter).keys()) {
    const beginning = adapter.begin(name);
    const declaration = beginning && model.declarations.get(beginning.weight);
    if (beginning && declaration) begun.set(name, beginning.of(await model.weights.read(declaration)));
  }
  return begun;
}

/** All that is saved of an adapter: what it has besides what learnt, and virtual tokens as they came out. */
export async function learntValues(model: Model, adapter: Adapter, learnt: Values): Promise<Map<string, HostArray>> {
  const values = new Map(Object.entries(learnt));
  const declared = adaptedDeclarations(model.network, adapter);
  for (const declaration of declared.values()) {
    if (matches(declaration.name, adapter.frozen ?? [])) {
      values.set(declaration.name, await model.weights.read(declaration));
    }
  }
  const system = adapter.around && isSystem(model.network) ? adapter.around(model.network) : undefined;
  const virtual = system?.virtual;
  if (!system || !virtual || values.has(promptName)) return values;
  const own = { ...model, weights: layeredWeights(model.weights, values) };
  const made = [...values.keys()].filter((name) => matches(name, adapter.parameters));
  values.set(promptName, await virtualTokens(own, { ...system, virtual }, declared));
  for (const name of made) values.delete(name);
  return values;
}

/** What a network makes of its parameters: virtual tokens [V, width]. */
async function virtualTokens(
  model: Model,
  { virtual, backbone }: System & { readonly virtual: VirtualTokens },
  declared: ReadonlyMap<string, Declaration>,
): Promise<HostArray> {
  const { p, declarations } = rootScope();
  // A layer's keys, and its values, are as wide as what the small network is given of each token.
  const { depth } = backbone.part;
  const given = declared.get('prompt_encoder.embedding.weight')?.shape[1] as number;
  const tokens = virtual.tensor(p, virtual.as === 'words' ? given : 2 * depth * given);
  const session = await openSession(model, graph('virtual tokens', { tokens }), declarations);
  try {
    return (await session.run({})).tokens as HostArray;
  } finally {
    await session.close();
  }
}
