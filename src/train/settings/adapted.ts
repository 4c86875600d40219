/** A network with an adapter: the layers that settings name, and what stands around it. */

import { type Declaration, matches, select } from '../../nn/index.js';
import { type Adapter, declarationsOf, isSystem, type Network } from '../../system/index.js';
import { formatShape, QuintetError } from '../../tensor/index.js';
import { type AdapterRequest, allLinear } from './adapter.js';

const ending = '.weight';

/**
 * Fails with 'name' where a pattern names no layer that has a matrix, and shows the nearest ones; with 'unsupported' where the
 * adapter does nothing in any that it names.
 */
export function checkAdapted(network: Network, { kind, on = [], inputs = [] }: AdapterRequest, adapter: Adapter): void {
  // Its files have said what it adapts.
  if (kind === 'own' || kind === 'saved') return;
  const own = declarationsOf(network);
  const weights = [...own.values()].filter(
    ({ name, shape }) => name.endsWith(ending) && (shape.length > 1 || kind === 'layers'),
  );
  const at = kind === 'lora' ? 'lora.on' : 'adapter.on';
  const pathOf = ({ name }: Declaration): string => name.slice(0, -ending.length);
  const patterns = on.filter((glob) => glob !== allLinear);
  const layers = select(weights.map(pathOf), patterns, at, 'layer');
  const all = patterns.length < on.length ? weights.map(pathOf) : layers;
  select(all, inputs, 'adapter.inputs', 'layer that is adapted');
  // Such layers learn whole.
  if (kind === 'layers') return;
  const adapted = [...declarationsOf(around(network, adapter), adapter.adapt).keys()].filter((name) => !own.has(name));
  for (const glob of patterns) {
    const named = weights.filter((weight) => matches(pathOf(weight), [glob]));
    const [first] = named;
    if (!first || named.some((weight) => adapted.some((name) => name.startsWith(`${pathOf(weight)}.`)))) continue;
    throw new QuintetError('unsupported', `${kind} is not for ${pathOf(first)}, which is ${whatIs(first)}`, {
      at,
      hint: 'convolutions are adapted by lora and dora, tables of embeddings by lora, linear layers by all',
    });
  }
}

const whatIs = ({ shape }: Declaration): string =>
  shape.length > 2 ? `a convolution ${formatShape(shape)}` : `no linear layer ${formatShape(shape)}`;

/** The network as an adapter has it. */
export function around(network: Network, adapter: Adapter | undefined): Network {
  if (!adapter?.around) return network;
  if (isSystem(network)) return adapter.around(network);
  throw new QuintetError('unsupported', `${network.name} is no language model that this adapter can be put around`);
}

interface AdaptedStage {
  readonly at: string;
  readonly adapter?: AdapterRequest;
}

/** An adapter that later stages did not know of would be lost. */
export function checkAdapters(stages: readonly AdaptedStage[]): void {
  const settings = stages.map(({ adapter }) => JSON.stringify(adapter));
  const first = settings.findIndex((own) => own !== undefined);
  const again = stages.find(({ adapter }, i) => adapter?.cuts && i > first);
  if (again) {
    throw new QuintetError('config', 'ranks are cut over one stage, and those before it had the adapter too', {
      at: again.at,
    });
  }
  if (first > 0 && stages[first]?.adapter?.kind === 'saved') {
    throw new QuintetError('config', 'an adapter that a run begins with takes part in all of its stages', {
      at: (stages[0] as AdaptedStage).at,
      hint: 'give its `adapter` to each stage',
    });
  }
  const other = first < 0 ? undefined : stages.find((_, i) => i > first && settings[i] !== settings[first]);
  if (!other) return;
  throw new QuintetError('config', 'stages after one with an adapter need the same settings of it', {
    at: other.at,
    hint: 'train the adapter last, or merge it and start another run',
  });
}
