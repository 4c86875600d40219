/** Which layers an adapter's settings name. */

import { select } from '../../nn/index.js';
import { declarationsOf, type Network } from '../../system/index.js';
import type { AdapterRequest } from './adapter.js';

const ending = '.weight';

/** Fails with 'name' where a pattern names no layer that has a matrix, and shows the nearest ones. */
export function checkAdapted(network: Network, { kind, on = [] }: AdapterRequest): void {
  const layers = [...declarationsOf(network).values()]
    .filter(({ name, shape }) => name.endsWith(ending) && (shape.length > 1 || kind === 'layers'))
    .map(({ name }) => name.slice(0, -ending.length));
  select(layers, on, kind === 'lora' ? 'lora.on' : 'adapter.on', 'layer');
}
