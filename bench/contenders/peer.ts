/** The packages of `bench/package.json`, which need not be there. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A package from `bench/node_modules`. What is used of it is written down where it is used. */
export async function peer<T>(name: string): Promise<T> {
  const root = process.env.BENCH_FOLDER as string;
  const path = createRequire(join(root, 'package.json')).resolve(name);
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: T };
  return module.default ?? (module as T);
}
