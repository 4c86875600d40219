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

interface AdaptedStage {
  readonly name: string;
  readonly adapter?: AdapterRequest;
}

/** An adapter that later stages did not know of would be lost. */
export function checkAdapters(stages: readonly AdaptedStage[]): void {
  const settings = stages.map(({ adapter }) => JSON.stringify(adapter));
  const first = settings.findIndex((own) => own !== undefined);
  const again = stages.find(({ adapter }, i) => adapter?.cuts && i > first);
  if (again) {
    throw new QuintetError('config', 'ranks are cut over one stage, and those before it had the adapter too', {
      at: `stage ${again.name}`,
    });
  }
  const other = first < 0 ? undefined : stages.find((_, i) => i > first && settings[i] !== settings[first]);
  if (!other) return;
  throw new QuintetError('config', 'stages after one with an adapter need the same settings of it', {
    at: `stage ${other.name}`,
    hint: 'train the adapter last, or merge it and start another run',
  });
}
