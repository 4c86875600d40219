/** The page: a picture, questions, and the answers that the worker streams. */

import type { Reply, Request } from './messages.js';

const find = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;

const status = find<HTMLElement>('status');
const progress = find<HTMLProgressElement>('progress');
const drop = find<HTMLLabelElement>('drop');
const file = find<HTMLInputElement>('file');
const preview = find<HTMLImageElement>('preview');
const log = find<HTMLElement>('log');
const form = find<HTMLFormElement>('form');
const question = find<HTMLInputElement>('question');
const askButton = find<HTMLButtonElement>('ask');
const stopButton = find<HTMLButtonElement>('stop');
const newButton = find<HTMLButtonElement>('new');

const settings = new URLSearchParams(location.search);
const worker = new Worker('worker.js', { type: 'module' });

let picture: Blob | undefined;
/** Whether the model has been shown the picture in this conversation. */
let seen = false;
/** Where the answer appears that is being given. */
let speech: HTMLElement | undefined;
const received = new Map<string, { readonly received: number; readonly total: number | undefined }>();

function send(request: Request): void {
  worker.postMessage(request);
}

function show(chosen: Blob | null | undefined): void {
  if (!chosen) return;
  picture = chosen;
  beginAnew();
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(chosen);
  preview.hidden = false;
  drop.classList.add('filled');
}

/** Pictures that the server has for its own model. */
async function offerSamples(): Promise<void> {
  const response = await fetch('samples.json');
  if (!response.ok || settings.has('model')) return;
  for (const address of (await response.json()) as string[]) {
    const button = document.createElement('button');
    const image = document.createElement('img');
    image.src = address;
    image.alt = `Sample picture: ${/([^/]*)\.\w+$/.exec(address)?.[1]?.replaceAll('-', ', ')}`;
    button.type = 'button';
    button.append(image);
    button.addEventListener('click', async () => show(await (await fetch(address)).blob()));
    find('samples').append(button);
  }
}

function beginAnew(): void {
  send({ kind: 'stop' });
  send({ kind: 'forget' });
  seen = false;
  log.replaceChildren();
  question.focus();
}

function say(who: 'you' | 'model' | 'note', text: string): HTMLElement {
  const item = document.createElement('p');
  item.className = who;
  item.textContent = text;
  log.append(item);
  item.scrollIntoView({ block: 'nearest' });
  return item;
}

/** Questions are taken while the model is open and silent. */
function setState(state: 'opening' | 'idle' | 'answering' | 'failed'): void {
  document.body.dataset.state = state;
  askButton.disabled = state !== 'idle';
  askButton.hidden = state === 'answering';
  stopButton.hidden = state !== 'answering';
  newButton.disabled = state !== 'idle';
  progress.hidden = state !== 'opening';
  log.ariaBusy = String(state === 'answering');
}

function ask(text: string): void {
  say('you', text);
  speech = say('model', '');
  setState('answering');
  const maxTokens = Number(settings.get('tokens') ?? 128);
  send({ kind: 'ask', question: text, picture: seen ? undefined : picture, maxTokens });
  seen = true;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function showProgress({ file, received: bytes, total }: Extract<Reply, { kind: 'progress' }>): void {
  received.set(file, { received: bytes, total });
  const files = [...received.values()];
  const sum = files.reduce((so, one) => so + one.received, 0);
  const all = files.reduce((so, one) => so + (one.total ?? one.received), 0);
  progress.max = all;
  progress.value = sum;
  status.textContent = `Loading the model: ${megabytes(sum)} of ${megabytes(all)} MB`;
}

const hear: { readonly [K in Reply['kind']]: (reply: Extract<Reply, { kind: K }>) => void } = {
  progress: showProgress,
  ready({ model, engine, seesPictures }) {
    status.textContent = `${model} · ${engine}`;
    find('show').hidden = !seesPictures;
    setState('idle');
  },
  piece({ text }) {
    speech?.append(text);
    speech?.scrollIntoView({ block: 'nearest' });
  },
  answered({ tokens, milliseconds, stopped }) {
    const time = `${tokens} tokens in ${(milliseconds / 1000).toFixed(1)} s`;
    speech?.setAttribute('data-note', stopped ? `stopped after ${time}` : time);
    setState('idle');
  },
  failed({ message }) {
    const opening = document.body.dataset.state === 'opening';
    if (opening) status.textContent = 'The model could not be opened.';
    if (speech?.textContent === '') speech.remove();
    say('note', message).role = 'alert';
    // What was being asked was not heard: the picture goes with the next question again.
    seen = false;
    setState(opening ? 'failed' : 'idle');
  },
};

function listenToUser(): void {
  file.addEventListener('change', () => show(file.files?.[0]));
  for (const name of ['dragenter', 'dragover']) drop.addEventListener(name, () => drop.classList.add('over'));
  for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
  // A picture that misses the frame should not replace the page.
  for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault());
  drop.addEventListener('drop', ({ dataTransfer }) => show(dataTransfer?.files[0]));
  addEventListener('paste', ({ clipboardData }) => show(clipboardData?.files[0]));
  stopButton.addEventListener('click', () => send({ kind: 'stop' }));
  newButton.addEventListener('click', beginAnew);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (text === '' || askButton.disabled) return;
    question.value = '';
    ask(text);
  });
}

worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => hear[data.kind](data as never));
worker.addEventListener('error', ({ message }) => hear.failed({ kind: 'failed', message: message || 'no worker' }));
listenToUser();
offerSamples();
setState('opening');
// WebAssembly has threads only in a page that shares nothing with other sites, which its server's headers say.
const threads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
send({ kind: 'open', model: settings.get('model') ?? 'model/', threads });
