/** Downloading one file of a hub into its cache, where a content lies once however many names it has. */

import { dirname } from 'node:path';
import { QuintetError } from '../tensor/index.js';
import { kindOfPath, makeFolder } from './file.js';
import { fetchFile, type RemoteFile, refusal, retrying, type Transfer } from './file-download.js';
import { type HubFile, linkBlob, type RepositoryCache, withLock } from './hub-cache.js';
import { type HubConnection, hubFetch, statusError } from './hub-http.js';

/** Puts a file into the cache unless it is there. Fails with 'network', 'not-found', 'integrity', 'io' or 'aborted'. */
export async function downloadFile(transfer: Transfer, cache: RepositoryCache, file: HubFile): Promise<void> {
  const { hub } = transfer;
  const described = await retrying(transfer, () => describe(hub, file));
  const blob = cache.blob(described.hash);
  if ((await kindOfPath(blob)) === undefined) {
    await makeFolder(dirname(blob));
    await withLock(cache.lock(described.hash), hub.signal, async () => {
      // Another process may have fetched it while this one waited.
      if ((await kindOfPath(blob)) === undefined) await fetchFile(transfer, described, blob);
    });
  }
  await linkBlob(cache, file, described.hash);
}

/** What the hub says of a file: its hash and size. Large files say so in the redirect to where they are stored. */
async function describe(hub: HubConnection, file: HubFile): Promise<RemoteFile> {
  const { repository, commit, path } = file;
  const url = `${hub.endpoint}/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const refused = (status: number): QuintetError => statusError(hub, status, `${repository}/${path}`);
  const response = await hubFetch(hub, url, { method: 'HEAD', leaveHost: false });
  if (response.status >= 400) throw refusal(response.status, refused(response.status));
  const tag = response.headers.get('x-linked-etag') ?? response.headers.get('etag') ?? '';
  const hash = tag.replace(/^W\//, '').replaceAll('"', '');
  const size = Number(response.headers.get('x-linked-size') ?? response.headers.get('content-length') ?? Number.NaN);
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) || !Number.isSafeInteger(size)) {
    const hint = 'Is the endpoint a Hugging Face hub?';
    throw new QuintetError('network', `${path}: the hub gives no hash and size of this file`, { hint });
  }
  return { path, url, hash, size, refused };
}
