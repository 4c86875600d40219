/** The keys of PEFT's files: the module names of transformers behind `base_model.model.`, and what an adapter has in each. */

import type { Declaration } from '../../nn/index.js';
import { type Network, promptName, type Renames, rename } from '../../system/index.js';
import { nearest, QuintetError } from '../../tensor/index.js';

export type Declarations = ReadonlyMap<string, Declaration>;

/** What keys are read against. */
export interface Base {
  readonly network: Network;
  readonly declarations: Declarations;
}

const root = 'base_model.model.';

/** Behind a table's name: what words of it have learnt. */
export const wordsEnding = 'trainable_tokens_delta';

/** What stands behind a layer's name, of all adapters. */
const endings = [
  ...['lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector', 'lora_embedding_A', 'lora_embedding_B'],
  ...['lora_A', 'lora_B', 'lora_E', 'ia3_l', 'vera_lambda_b', 'vera_lambda_d'],
  ...['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'oft_R.weight', 'hra_u', 'beft_bias'],
  ...['1', '2'].flatMap((i) => [`lokr_w${i}`, `lokr_w${i}_a`, `lokr_w${i}_b`]),
  ...['down', 'up'].flatMap((name) => [`adapter_${name}.weight`, `adapter_${name}.bias`]),
  ...['adaption_prompt', 'adaption_gate', wordsEnding],
];

/** Names that belong to no layer, by their keys. */
const loose: Readonly<Record<string, string>> = {
  [promptName]: promptName,
  'base_model.vera_A': 'vera_A',
  'base_model.vera_B': 'vera_B',
};
const looseKeys = Object.fromEntries(Object.entries(loose).map(([key, name]) => [name, key]));

/** The network's own naming and the others that it is published under. */
export function namings({ network }: Base): readonly Renames[] {
  return [[], ...(network.renames ?? [])];
}

/** Our name of what a key holds. Keys of any of the network's namings are understood. */
export function ownName(key: string, base: Base, at: string): string {
  const known = loose[key];
  if (known !== undefined) return known;
  if (!key.startsWith(root)) {
    throw new QuintetError('weights', `the key "${key}" does not begin with "${root}"`, { at });
  }
  const theirs = key
    .slice(root.length)
    .replace('.token_adapter.', '.')
    .replace('lora_magnitude_vector.weight', 'lora_magnitude_vector');
  const ending = endings.find((name) => theirs.endsWith(`.${name}`));
  if (ending === undefined) {
    const whole = theirs.replace(/\.(?:base_layer|ln_tuning_layers)\./, '.');
    const own = namings(base).flatMap((names) =>
      [...base.declarations.keys()].filter((name) => rename(name, names) === whole),
    );
    if (own[0] !== undefined) return own[0];
  } else {
    const path = ownPath(theirs.slice(0, -ending.length - 1), base);
    if (path !== undefined) return `${path}.${ending}`;
  }
  const guess = nearest(theirs, base.declarations.keys());
  throw new QuintetError('weights', `the adapter's key "${key}" names nothing in ${base.network.name}`, {
    at,
    ...(guess ? { hint: `the nearest parameter is ${guess}` } : {}),
  });
}

/** Our path of a layer. */
function ownPath(theirs: string, base: Base): string | undefined {
  for (const names of namings(base)) {
    for (const name of base.declarations.keys()) {
      const renamed = rename(name, names);
      const rest = renamed.slice(theirs.length);
      if (renamed.startsWith(`${theirs}.`) && name.endsWith(rest)) return name.slice(0, -rest.length);
    }
  }
  return undefined;
}

/** The name that transformers has in memory: that of the first of a network's other namings. */
export const theirName = (name: string, { network }: Base): string => rename(name, network.renames?.[0] ?? []);

/** A name of ours taken apart: a layer's path and what an adapter has there; undefined of a parameter of the base. */
export function partsOf(name: string): { readonly path: string; readonly ending: string } | undefined {
  const ending = endings.find((other) => name.endsWith(`.${other}`));
  return ending === undefined ? undefined : { path: name.slice(0, -ending.length - 1), ending };
}

/** Whether a layer is meant by a module's name as PEFT matches it: by the end of it. */
export const isNamed = (path: string, module: string, base: Base): boolean =>
  namings(base).some((names) => rename(path, names).endsWith(module));

/** The key of a parameter. */
export function keyOf(name: string, base: Base): string {
  return looseKeys[name] ?? root + theirName(name, base);
}
