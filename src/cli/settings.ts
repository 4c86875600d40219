/** What every command takes: the engine, its settings, and where models come from. */

import { extname } from 'node:path';
import { checkDestination, hubOptionsFromEnvironment } from '../checkpoint/index.js';
import {
  type CacheForm,
  type LoadOptions,
  modelsCache,
  type SourceOptions,
  type WeightsOption,
} from '../model/index.js';
import { defaultEngine, type Engine } from '../runtime/index.js';
import { formatBytes } from './format.js';
import { note, ProgressLine } from './terminal.js';

export interface GlobalOptions {
  readonly engine?: Engine['name'];
  readonly library?: string;
  readonly threads?: number;
  readonly weights?: WeightsOption;
  readonly kvCache?: CacheForm;
  readonly profile?: string;
  readonly offline?: boolean;
  readonly debug?: boolean;
}

/** How a command loads a model; the signal ends a download, of which the next one goes on from what came. */
export async function loadOptions(
  options: GlobalOptions,
  signal: AbortSignal,
): Promise<LoadOptions & { readonly engine: Engine }> {
  const { weights, kvCache } = options;
  const line = new ProgressLine();
  return {
    engine: await engineOf(options),
    hub: sourceOptions(options, signal),
    ...(weights === undefined ? {} : { weights }),
    ...(kvCache === undefined ? {} : { kvCache }),
    onPacking(made, total) {
      // Where lines are not written over, one for each quarter.
      const always = Math.floor((4 * made) / total) > Math.floor((4 * (made - 1)) / total);
      line.show(`packing weights, once for this file: ${made} of ${total}`, { always });
      if (made === total) line.end();
    },
  };
}

async function engineOf({ engine, library, threads, profile }: GlobalOptions): Promise<Engine> {
  if (profile !== undefined) await checkDestination(profile);
  const made = await defaultEngine({
    onNotice: note,
    ...(engine === undefined ? {} : { engine }),
    ...(library ? { library } : {}),
    ...(threads === undefined ? {} : { threads }),
  });
  return profile === undefined ? made : profiled(made, profile);
}

/** An engine each of whose sessions writes its profile: the first one to the file itself, the others beside it. */
function profiled(engine: Engine, file: string): Engine {
  let sessions = 0;
  const ending = extname(file);
  const stem = file.slice(0, file.length - ending.length);
  return {
    ...engine,
    createSession(model, options) {
      sessions++;
      const profile = sessions === 1 ? file : `${stem}-${sessions}${ending}`;
      return engine.createSession(model, { ...options, profile });
    },
  };
}

/** What the environment says of caches and hubs, with downloads shown on the standard error. */
export function sourceOptions({ offline }: GlobalOptions, signal: AbortSignal): SourceOptions {
  const line = new ProgressLine();
  return {
    ...hubOptionsFromEnvironment(process.env),
    models: modelsCache(process.env),
    ...(offline ? { offline } : {}),
    signal,
    onProgress({ file, received, total }) {
      const done = received >= total;
      line.show(`${file}  ${formatBytes(received)} of ${formatBytes(total)}`, { always: done });
      if (done) line.end();
    },
  };
}
