/** Which layers an adapter's settings name. */

import { select } from '../../nn/index.js';
import { declarationsOf, type LoraOptions, type Network } from '../../system/index.js';

const ending = '.weight';

/** Fails with 'name' where a pattern names no layer that has a matrix, and shows the nearest ones. */
export function checkAdapted(network: Network, { on }: Pick<LoraOptions, 'on'>): void {
  const layers = [...declarationsOf(network).values()]
    .filter(({ name, shape }) => name.endsWith(ending) && shape.length > 1)
    .map(({ name }) => name.slice(0, -ending.length));
  select(layers, on, 'lora.on', 'layer');
}
