/** The model, off the page's thread: it answers messages, and streams what it says piece by piece. */

import { asSystem, Chat, loadFromUrl, loadPicture, type Message, type Picture } from '../../src/browser.js';
import type { Reply, Request } from './messages.js';

let chat: Chat | undefined;
let messages: readonly Message[] = [];
let pictures: readonly Picture[] = [];
let stopping = new AbortController();

/** An address beside this script. */
const address = (path: string): string => new URL(path, location.href).href;

async function open({ model, threads }: Extract<Request, { kind: 'open' }>): Promise<void> {
  const loaded = asSystem(
    await loadFromUrl(address(model), {
      engine: { wasm: address('ort.wasm'), script: address('ort.mjs'), threads },
      onProgress: (progress) => send({ kind: 'progress', ...progress }),
    }),
  );
  chat = await Chat.open(loaded);
  const seesPictures = loaded.network.image !== undefined;
  send({ kind: 'ready', model: loaded.network.name, engine: loaded.engine.description, seesPictures });
}

async function ask({ question, picture, maxTokens }: Extract<Request, { kind: 'ask' }>): Promise<void> {
  if (!chat) throw new Error('the model is not open');
  stopping = new AbortController();
  const { signal } = stopping;
  const started = performance.now();
  if (picture) {
    pictures = [await loadPicture(picture)];
    messages = [];
  }
  const places = picture ? [{ type: 'image' } as const] : [];
  const asked: Message[] = [...messages, { role: 'user', content: [...places, { type: 'text', text: question }] }];
  let answer = '';
  let tokens = 0;
  try {
    for await (const { text, token } of chat.reply({ messages: asked, pictures }, { maxTokens, signal })) {
      answer += text;
      if (token) tokens++;
      send({ kind: 'piece', text });
    }
  } catch (error) {
    // Stopped: what was said so far is the answer.
    if (!signal.aborted) throw error;
  }
  messages = [...asked, { role: 'assistant', content: answer }];
  send({ kind: 'answered', tokens, milliseconds: performance.now() - started, stopped: signal.aborted });
}

function forget(): void {
  messages = [];
  pictures = [];
}

async function handle(request: Request): Promise<void> {
  if (request.kind === 'open') await open(request);
  else if (request.kind === 'ask') await ask(request);
  else if (request.kind === 'stop') stopping.abort();
  else if (request.kind === 'forget') forget();
}

function send(reply: Reply): void {
  postMessage(reply);
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  handle(data).catch((error: Error) => send({ kind: 'failed', message: error.message }));
});
