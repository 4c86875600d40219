/** A model hub on this machine: the API and files of one repository, large files on a second host as the real hub has them. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface HubServer {
  readonly endpoint: string;
  /** Every request as `METHOD path`, with its range and token. */
  readonly requests: {
    method: string;
    path: string;
    range: string | undefined;
    token: string | undefined;
    host: string;
  }[];
  /** Called before a body is sent from the second host; what it returns replaces the usual answer. */
  tamper: (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean;
}

export const commit = 'c0ffee'.padEnd(40, '0');
export const repository = 'someone/tiny';

export function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

function gitHash(body: Uint8Array): string {
  return createHash('sha1').update(`blob ${body.byteLength}\0`).update(body).digest('hex');
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves files; those that end in .safetensors or .gguf are large, with their SHA-256 and on the second host. */
export async function hubServer(
  files: Readonly<Record<string, Uint8Array>>,
  listed = Object.keys(files),
): Promise<HubServer> {
  const hub = { requests: [], tamper: () => false, endpoint: '' } as HubServer & { endpoint: string };
  const note = (request: IncomingMessage, host: string): string => {
    const path = decodeURIComponent(request.url ?? '');
    const { range, authorization } = request.headers;
    hub.requests.push({ method: request.method ?? '', path, range, token: authorization, host });
    return path;
  };
  const storage = await listen(
    createServer((request, response) => {
      const path = note(request, 'storage').slice(1);
      const body = Buffer.from(files[path] ?? []);
      if (hub.tamper(request, response, body)) return;
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const range = from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {};
      response.writeHead(from > 0 ? 206 : 200, { ...range, 'content-length': body.length - from });
      response.end(body.subarray(from));
    }),
  );
  hub.endpoint = await listen(
    createServer((request, response) => {
      const path = note(request, 'hub');
      if (path === `/api/models/${repository}/revision/main`) {
        response.end(JSON.stringify({ sha: commit, siblings: listed.map((rfilename) => ({ rfilename })) }));
        return;
      }
      const file = path.replace(`/${repository}/resolve/${commit}/`, '');
      const body = files[file];
      if (body === undefined) {
        response.writeHead(path.includes('gated') ? 401 : 404).end();
      } else if (/\.(safetensors|gguf)$/.test(file)) {
        const linked = { 'x-linked-etag': `"${sha256(body)}"`, 'x-linked-size': body.byteLength };
        response.writeHead(302, { ...linked, location: `${storage}/${file}` }).end();
      } else {
        response.writeHead(200, { etag: `"${gitHash(body)}"`, 'content-length': body.byteLength });
        response.end(request.method === 'HEAD' ? undefined : body);
      }
    }),
  );
  return hub;
}
