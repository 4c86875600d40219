/** `quintet pull`: brings a model of the hub into the cache that all of Hugging Face's tools share. */

import { resolveModel } from '../checkpoint/index.js';
import { interruptible } from './interrupt.js';
import { type GlobalOptions, hubOptions } from './settings.js';

export async function pull(name: string, options: GlobalOptions & { readonly revision?: string }): Promise<void> {
  const { revision } = options;
  const named = revision === undefined ? {} : { revision };
  const path = await interruptible((signal) => resolveModel(name, { ...hubOptions(options, signal), ...named }));
  process.stdout.write(`${path}\n`);
}
