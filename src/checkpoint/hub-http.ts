/** Requests to a model hub: redirects followed by hand so that a token never leaves its host, failures said in words. */

import { QuintetError } from '../tensor/index.js';

export interface HubConnection {
  /** Where the hub is, without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal | undefined;
}

export interface HubRequest {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborts this request alone, such as one that has stalled. */
  readonly signal?: AbortSignal;
  /** Whether to follow a redirect to another host; the one that is not followed is the answer. */
  readonly leaveHost?: boolean;
}

const mostRedirects = 5;

/**
 * The answer to a request, whatever its status. Fails with 'network' where there is none, 'aborted' where the user's signal
 * says so. The token goes to the endpoint's own origin only.
 */
export async function hubFetch(hub: HubConnection, url: string, request: HubRequest = {}): Promise<Response> {
  const { method = 'GET', headers = {}, leaveHost = true } = request;
  const home = new URL(hub.endpoint);
  let target = new URL(url);
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const trusted = target.origin === home.origin && hub.token !== undefined;
    const authorization = trusted ? { authorization: `Bearer ${hub.token}` } : {};
    const response = await send(hub, target, {
      method,
      redirect: 'manual',
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      // Compressed bytes would have neither the announced size nor the announced hash.
      headers: { ...headers, ...authorization, 'accept-encoding': 'identity', 'user-agent': 'quintet' },
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    const next = new URL(location, target);
    if (!leaveHost && next.origin !== target.origin) return response;
    await response.body?.cancel();
    if (!/^https?:$/.test(next.protocol) || (target.protocol === 'https:' && next.protocol === 'http:')) {
      throw new QuintetError(
        'network',
        `${target.host} redirects to ${next.protocol}//${next.host}, which is not secure`,
      );
    }
    target = next;
  }
  throw new QuintetError('network', `${home.host} redirects more than ${mostRedirects} times`);
}

async function send(hub: HubConnection, url: URL, init: RequestInit): Promise<Response> {
  const signals = [hub.signal, init.signal].filter((signal) => signal !== undefined && signal !== null);
  try {
    return await hub.fetch(url, { ...init, signal: AbortSignal.any(signals) });
  } catch (cause) {
    throw connectionError(hub, url.host, cause as Error);
  }
}

/** An answer that never came, or broke off. */
export function connectionError(hub: HubConnection, host: string, cause: Error): QuintetError {
  if (cause instanceof QuintetError) return cause;
  if (hub.signal?.aborted) return new QuintetError('aborted', 'the download was cancelled', { cause });
  const reason = (cause.cause as Error | undefined)?.message ?? cause.message;
  return new QuintetError('network', `no answer from ${host}: ${reason}`, {
    cause,
    hint: 'Check the connection (and HTTPS proxy), or give the path of a local folder with the model.',
  });
}

/** What a refusing status means and what to do about it. `what` is a repository, or a file of one. */
export function statusError(hub: HubConnection, status: number, what: string): QuintetError {
  if (status === 401 || status === 403) {
    const hint =
      hub.token === undefined
        ? `If the model is private or gated, accept its terms at ${hub.endpoint} and set HF_TOKEN, or log in by "hf auth login"; otherwise check the name.`
        : `The token is not accepted for it: accept the model's terms at ${hub.endpoint}, or check the name.`;
    return new QuintetError('network', `${what}: access denied (${status})`, { hint });
  }
  if (status === 404) {
    const hint = 'Check the name and the revision; a local folder is given as a path that exists.';
    return new QuintetError('not-found', `${what} is not on ${new URL(hub.endpoint).host}`, { hint });
  }
  return new QuintetError('network', `${what}: the hub answers with status ${status}`, { hint: 'Try again later.' });
}

/** Whether the same request may succeed later. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** The text of an answer of at most `limit` bytes. */
export async function readBody(hub: HubConnection, response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let received = 0;
  await readChunks(hub, response, (chunk) => {
    received += chunk.byteLength;
    if (received > limit) throw new QuintetError('limit', `the hub's answer is longer than ${limit} bytes`);
    text += decoder.decode(chunk, { stream: true });
  });
  return text + decoder.decode();
}

/** Hands over a body piece by piece; leaving early closes the connection. */
export async function readChunks(
  hub: HubConnection,
  response: Response,
  take: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: Error) => {
        throw connectionError(hub, new URL(response.url || hub.endpoint).host, cause);
      });
      if (done) return;
      await take(value);
    }
  } finally {
    await reader.cancel().catch(() => {}); // a broken connection is already closed
  }
}
