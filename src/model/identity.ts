/** What tells models apart whose keys and values would differ. */

import { createHash } from 'node:crypto';
import { type Tensor, topological } from '../graph/index.js';
import { rootScope } from '../nn/index.js';
import { inputTensors, type System } from '../system/index.js';
import { bytesOf } from '../tensor/index.js';
import type { Model } from './model.js';

/**
 * A short text that another computation changes, be it by the configuration or by an adapter, other parameters, or weights
 * that are held in another way. Of parameters in files, windows are compared; of others, such as an adapter's, all.
 */
export async function identityOf({ network, adapt, weights, weightsForm }: Model<System>): Promise<string> {
  const { p, declarations } = rootScope();
  const nodes = topological(Object.values(network.forward(adapt(p), inputTensors(network.inputs))));
  const hash = createHash('sha256').update(`${weightsForm}\n`);
  const numbers = new Map<Tensor, number>();
  for (const { kind, name, attributes, inputs, outputs, value } of nodes) {
    for (const output of outputs) numbers.set(output, numbers.size);
    hash.update(JSON.stringify([kind, name, attributes, inputs.map((x) => x && numbers.get(x))]));
    if (value) hash.update(bytesOf(value));
  }
  const all = [...declarations.values()];
  const samples = await Promise.all(all.map((declaration) => weights.stored(declaration)?.sample()));
  for (const [i, declaration] of all.entries()) {
    for (const bytes of samples[i] ?? [bytesOf(await weights.read(declaration))]) hash.update(bytes);
  }
  return hash.digest('hex').slice(0, 32);
}
