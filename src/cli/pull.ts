/** `quintet pull`: brings a model of the hub into the cache that all of Hugging Face's tools share. */

import { resolveModel } from '../checkpoint/index.js';
import { onInterrupt } from './interrupt.js';
import { type GlobalOptions, hubOptions } from './settings.js';

export async function pull(name: string, options: GlobalOptions & { readonly revision?: string }): Promise<void> {
  const { revision } = options;
  const interrupt = onInterrupt();
  try {
    const path = await resolveModel(name, {
      ...hubOptions(options),
      ...(revision === undefined ? {} : { revision }),
      signal: interrupt.signal,
    });
    process.stdout.write(`${path}\n`);
  } finally {
    interrupt.forget();
  }
}
