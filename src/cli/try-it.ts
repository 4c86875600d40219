/** What may be typed next with a model. */

import { isLatentDiffusion } from '../model/index.js';
import { isRewardSystem, isSystem, type Network } from '../system/index.js';
import { invocation } from './invocation.js';

/** By what the model does; `source` is how commands are told of it. */
export function tryIt(network: Network, source: string): string {
  if (isLatentDiffusion(network)) return tryCommand(`draw ${source} "a red boat" -o boat.png`);
  return tryCommand(`${isSystem(network) && !isRewardSystem(network) ? 'chat' : 'info'} ${source}`);
}

export const tryCommand = (command: string): string => `Try it: ${invocation()} ${command}`;
