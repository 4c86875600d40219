/** A web server on this machine that holds some files and knows ranges. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface FileServer {
  readonly origin: string;
  /** Paths that were asked for, each with the range where there was one. */
  readonly requests: string[];
  /** Called before a file is sent; what returns true has answered itself. */
  tamper: (request: IncomingMessage, response: ServerResponse, body: Uint8Array) => boolean;
}

/** Serves files by their paths, which have no slash before them. */
export async function fileServer(files: Readonly<Record<string, Uint8Array>>): Promise<FileServer> {
  const served: FileServer = { origin: '', requests: [], tamper: () => false };
  const server = createServer((request, response) => {
    const path = (request.url as string).slice(1);
    const { range } = request.headers;
    served.requests.push(range === undefined ? path : `${path} ${range}`);
    const body = files[path];
    if (body === undefined) response.writeHead(404).end();
    else if (!served.tamper(request, response, body)) {
      const { from, headers } = partOf(request, body);
      response.writeHead(from > 0 ? 206 : 200, headers).end(body.subarray(from));
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(served, { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** From where on a file is asked for, and what an answer with the rest of it says. */
export function partOf({ headers: { range } }: IncomingMessage, { length }: Uint8Array) {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const part = from > 0 ? { 'content-range': `bytes ${from}-${length - 1}/${length}` } : {};
  return { from, headers: { ...part, 'content-length': length - from } };
}
