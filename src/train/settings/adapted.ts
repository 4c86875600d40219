/** A network with an adapter: the layers that settings name, and what stands around it. */

import { select } from '../../nn/index.js';
import { type Adapter, declarationsOf, isSystem, type Network } from '../../system/index.js';
import { QuintetError } from '../../tensor/index.js';
import type { AdapterRequest } from './adapter.js';

const ending = '.weight';

/** Fails with 'name' where a pattern names no layer that has a matrix, and shows the nearest ones. */
export function checkAdapted(network: Network, { kind, on = [] }: AdapterRequest): void {
  const layers = [...declarationsOf(network).values()]
    .filter(({ name, shape }) => name.endsWith(ending) && (shape.length > 1 || kind === 'layers'))
    .map(({ name }) => name.slice(0, -ending.length));
  select(layers, on, kind === 'lora' ? 'lora.on' : 'adapter.on', 'layer');
}

/** The network as an adapter has it. */
export function around(network: Network, adapter: Adapter | undefined): Network {
  if (!adapter?.around) return network;
  if (isSystem(network)) return adapter.around(network);
  throw new QuintetError('unsupported', `${network.name} is no language model that this adapter can be put around`);
}
