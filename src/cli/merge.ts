/** `quintet merge`: a model with an adapter in its weights, or in the place of the one that it comes with. */

import { rmdir } from 'node:fs/promises';
import { checkDestination, kindOfPath } from '../checkpoint/index.js';
import { findAdapter, load, readAdapter, saveModel, savePictured, underAdapter } from '../model/index.js';
import { UsageError } from './failures.js';
import { interruptible } from './interrupt.js';
import { typed } from './invocation.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note } from './terminal.js';
import { tryIt } from './try-it.js';

export interface MergeOptions extends GlobalOptions {
  readonly adapter: string;
  readonly output: string;
  readonly dtype: 'f32' | 'f16' | 'bf16';
}

export async function merge(source: string, options: MergeOptions): Promise<void> {
  const { adapter, output, dtype } = options;
  if (options.weights !== undefined) {
    throw new UsageError('--weights is for models that answer; what is written has the numbers of --dtype');
  }
  if (options.kvCache !== undefined) throw new UsageError('--kv-cache is for models that answer');
  await checkDestination(output, 'folder');
  const isThere = (await kindOfPath(output)) !== undefined;
  const model = await interruptible(async (signal) =>
    load(source, { ...(await loadOptions(options, signal)), weights: 'f32' }),
  );
  try {
    const folder = await findAdapter(adapter);
    const base = await underAdapter(model, folder);
    const loaded = await readAdapter(folder, base.network, base.declarations);
    if (model.pictureAdapter) await savePictured(model, output, folder);
    else await saveModel(base, output, { merge: loaded, dtype });
    process.stdout.write(`${output}\n`);
    note(tryIt(base.network, typed(output)));
  } catch (error) {
    // Nothing is left where nothing could be written; what is in the folder keeps it.
    if (!isThere) await rmdir(output).catch(() => {});
    throw error;
  } finally {
    await model.close();
  }
}
