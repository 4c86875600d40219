/** Which layers an adapter's settings name. */

import { select } from '../../nn/index.js';
import { declarationsOf, type LoraOptions, lora, type Network } from '../../system/index.js';

/** Fails with 'name' where a pattern names no layer that can be adapted, and shows the nearest ones. */
export function checkAdapted(network: Network, { on }: Pick<LoraOptions, 'on'>): void {
  const added = declarationsOf(network, lora({ rank: 1, on: ['**'] }).adapt).keys();
  const layers = [...added].flatMap((name) => (name.includes('.lora_') ? [name.slice(0, name.indexOf('.lora_'))] : []));
  select([...new Set(layers)], on, 'lora.on', 'layer');
}
