/** Files of this machine as a server would send them, so that bringing a file from a folder is a download like any other. */

import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { fileError } from '../tensor/index.js';
import { regularFileSize } from './file.js';

/** Answers requests for `file:` addresses, with 404 where there is no such file. Fails with 'io' where it cannot be read. */
export async function fileFetch(
  address: string | URL | Request,
  { signal }: Pick<RequestInit, 'signal'> = {},
): Promise<Response> {
  const path = fileURLToPath(address instanceof Request ? address.url : address);
  try {
    const size = await regularFileSize(path);
    const stream = (await open(path, 'r')).createReadStream(signal ? { signal } : {});
    return new Response(Readable.toWeb(stream) as ReadableStream, { headers: { 'content-length': String(size) } });
  } catch (cause) {
    const error = fileError(path, cause);
    if (error.code === 'not-found') return new Response(null, { status: 404 });
    throw error;
  }
}
