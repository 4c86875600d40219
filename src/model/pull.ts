/** Bringing a shipped model that the package does not hold into the user's cache. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fetchFile, fileFetch, makeFolder, type Transfer, usualPatience, withLock } from '../checkpoint/index.js';
import { fileError, QuintetError } from '../tensor/index.js';
import { cachedFolder, type ShippedFile, type ShippedModel, wholeFolder } from './shipped.js';
import type { SourceOptions } from './source.js';

export interface PullOptions
  extends Pick<SourceOptions, 'models' | 'offline' | 'onProgress' | 'signal' | 'fetch' | 'patience'> {
  /** The folder that holds the models' folders: an address of a web server, or a `file:` address. */
  readonly from?: string | URL;
}

export interface Pulled {
  readonly folder: string;
  /** How many files were not there before, or were not right. */
  readonly brought: number;
}

/**
 * Brings all files of a model, unless the package has them. Those of the cache are read again, and brought again where they
 * are not what the list says. Fails with 'not-found', 'network', 'integrity', 'io' or 'aborted'.
 */
export async function pullModel(model: ShippedModel, options: PullOptions): Promise<Pulled> {
  const { models, signal } = options;
  const folder = cachedFolder(model, models);
  const whole = await wholeFolder(model, models);
  if (whole === model.folder || (whole && (await lacking(model, folder)).length === 0))
    return { folder: whole, brought: 0 };
  const { from, transfer } = source(model, options);
  return withLock(`${folder}.lock`, signal, async () => {
    // Another process may have brought some while this one waited.
    const files = await lacking(model, folder);
    for (const { path, bytes, sha256 } of files) {
      const to = join(folder, path);
      await makeFolder(dirname(to));
      const url = new URL(`${model.name}/${path}`, from).href;
      const refused = (status: number): QuintetError => refusalOf(url, status, model.name);
      await fetchFile(transfer, { path, url, hash: sha256, size: bytes, refused }, to);
    }
    return { folder, brought: files.length };
  });
}

/** The files that a folder does not have as the list has them. */
async function lacking({ files }: ShippedModel, folder: string): Promise<readonly ShippedFile[]> {
  const right = await Promise.all(files.map((file) => isRight(join(folder, file.path), file)));
  return files.filter((_, i) => !right[i]);
}

async function isRight(path: string, { bytes, sha256 }: ShippedFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== bytes) return false;
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (cause) {
    throw fileError(path, cause);
  }
  return hash.digest('hex') === sha256;
}

/** Where the files come from, which is asked only where some are missing. */
function source(model: ShippedModel, options: PullOptions): { readonly from: URL; readonly transfer: Transfer } {
  if (options.from === undefined) {
    throw new QuintetError('not-found', 'where the files of this model lie is not known', {
      at: model.name,
      hint: 'Name an address, or the `models` folder of a clone: --from, or the variable QUINTET_MODELS.',
    });
  }
  const from = new URL(options.from);
  if (!from.pathname.endsWith('/')) from.pathname += '/';
  const isFolder = from.protocol === 'file:';
  if (options.offline && !isFolder) {
    throw new QuintetError('not-found', `this model is not complete in ${options.models}`, {
      at: model.name,
      hint: 'Offline mode (--offline, or HF_HUB_OFFLINE) forbids downloading it: switch it off once, or name a folder.',
    });
  }
  const { fetch = isFolder ? fileFetch : globalThis.fetch, patience = usualPatience, onProgress = () => {} } = options;
  const hub = { endpoint: from.href, token: undefined, fetch, signal: options.signal };
  return { from, transfer: { hub, patience, onProgress } };
}

function refusalOf(url: string, status: number, name: string): QuintetError {
  if (status !== 404) return new QuintetError('network', `${url}: the server answers with status ${status}`);
  return new QuintetError('not-found', 'no such file', {
    at: url,
    hint: `The place to name is what holds the folder ${name} of this version of Quintet, as the \`models\` of a clone does.`,
  });
}
