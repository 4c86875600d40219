/** `quintet pull`: brings a model of the hub into the cache that all of Hugging Face's tools share. */

import { findModel } from '../model/index.js';
import { interruptible } from './interrupt.js';
import { invocation } from './invocation.js';
import { type GlobalOptions, hubOptions } from './settings.js';
import { note } from './terminal.js';

export async function pull(name: string, options: GlobalOptions & { readonly revision?: string }): Promise<void> {
  const { revision } = options;
  const named = revision === undefined ? {} : { revision };
  const path = await interruptible((signal) => findModel(name, { ...hubOptions(options, signal), ...named }));
  process.stdout.write(`${path}\n`);
  // The path alone is for programs.
  note(`Try it: ${invocation()} chat ${name}`);
}
