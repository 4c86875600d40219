/** `quintet chat`: an answer to one prompt, or a conversation. */

import { createInterface } from 'node:readline';
import { loadPicture, type Picture } from '../media/index.js';
import {
  asSystem,
  Chat,
  checkModelName,
  draftModel,
  LanguageSession,
  type LoadOptions,
  load,
  type Model,
  promptLookup,
  type ReplyOptions,
} from '../model/index.js';
import { closeAll } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { type Answer, answer, cutNote, formatStats, isCut, speedOf, userMessage } from './answer.js';
import { picturesAndPrompt } from './arguments.js';
import { type ConstraintOptions, constraintOf } from './constraint.js';
import { converse, dialogue } from './conversation.js';
import { exitCodes, UsageError } from './failures.js';
import { interruptible, onInterrupt } from './interrupt.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note, printable } from './terminal.js';

export interface ChatOptions extends GlobalOptions, ConstraintOptions, Omit<ReplyOptions, 'signal'> {
  readonly system?: string;
  readonly adapter?: string;
  readonly lookup?: boolean;
  readonly draft?: string;
  readonly json?: boolean;
  readonly stats?: boolean;
}

/** Returns the exit code. */
export async function chat(source: string, given: readonly string[], options: ChatOptions): Promise<number> {
  await checkModelName(source);
  const { pictures: paths, prompt } = await picturesAndPrompt(given);
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(thing: T): T => {
    opened.unshift(thing);
    return thing;
  };
  try {
    const lines = prompt === undefined && !process.stdin.isTTY ? keep(await pipedLines()) : undefined;
    if (prompt === undefined && !lines && options.json) throw new UsageError('--json needs a prompt');
    const constrain = await constraintOf(options);
    const started = performance.now();
    const pictures = await Promise.all(paths.map((path) => loadPicture(path)));
    const adapter = options.adapter === undefined ? {} : { adapter: options.adapter };
    const session = keep(await Chat.open(asSystem(keep(await opening(source, options, adapter)))));
    const draft = options.draft === undefined ? undefined : keep(await opening(options.draft, options));
    const guesser = draft && draftModel(keep(await LanguageSession.open(asSystem(draft))));
    const speculate = guesser ?? (options.lookup ? promptLookup() : undefined);
    const all = { ...options, ...(speculate ? { speculate } : {}), ...(constrain ? { constrain } : {}) };
    const loaded = performance.now() - started;
    if (prompt !== undefined) return await once(session, { prompt, pictures, loaded }, all);
    if (lines) return await answerAll(session, { lines, pictures, loaded }, all);
    const terminal = { input: process.stdin, output: process.stdout };
    await converse(session, terminal, { ...conversationOf(all), pictures });
    return 0;
  } finally {
    await closeAll(...opened);
  }
}

/** A model whose download Ctrl-C ends. */
function opening(source: string, options: GlobalOptions, more: Pick<LoadOptions, 'adapter'> = {}): Promise<Model> {
  return interruptible(async (signal) => load(source, { ...(await loadOptions(options, signal)), ...more }));
}

interface PipedLines {
  readonly lines: AsyncIterable<string>;
  close(): Promise<void>;
}

/** What another program says, line by line as it comes. That it says nothing is known before a model is loaded. */
async function pipedLines(): Promise<PipedLines> {
  const reading = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const rest = reading[Symbol.asyncIterator]();
  let first = await rest.next();
  while (!first.done && first.value.trim() === '') first = await rest.next();
  if (first.done) throw new UsageError('no prompt: give one as the last argument, or on the standard input');
  const begun: string = first.value;
  async function* lines() {
    yield begun;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  }
  return { lines: lines(), close: async () => reading.close() };
}

/** Options of a command that are an answer's; the others are not for a command to say. */
const settings = {
  ...{ maxTokens: true, temperature: true, topK: true, topP: true, minP: true, seed: true, logitBias: true },
  ...{ repetitionPenalty: true, presencePenalty: true, frequencyPenalty: true, noRepeatNgram: true },
  ...{ stop: true, speculate: true, constrain: true },
} satisfies Record<Exclude<keyof ReplyOptions, 'stopIds' | 'firstRow' | 'logprobs' | 'signal'>, true>;

/** Only what was given: anything else is for the model's own settings to say. */
export function settingsOf(options: ChatOptions): ReplyOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(settings, name) && value !== undefined),
  );
}

/** The settings of a conversation: those of its answers, and what the model is told before. */
function conversationOf(options: ChatOptions) {
  const { system, stats = false } = options;
  return { ...settingsOf(options), ...(system === undefined ? {} : { system }), stats };
}

interface Question {
  readonly prompt: string;
  readonly pictures: readonly Picture[];
  /** Milliseconds that loading took. */
  readonly loaded: number;
}

async function once(session: Chat, { prompt, pictures, loaded }: Question, options: ChatOptions): Promise<number> {
  const { system, json = false, stats = false } = options;
  const messages: Message[] = [
    ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
    userMessage(prompt, pictures.length),
  ];
  const interrupt = onInterrupt();
  try {
    const given = await answer(
      session,
      { messages, pictures },
      {
        ...settingsOf(options),
        signal: interrupt.signal,
        write: (text) => void (json || process.stdout.write(printable(text, process.stdout))),
      },
    );
    process.stdout.write(json ? `${JSON.stringify(asJson(given, loaded))}\n` : '\n');
    if (stats) note(formatStats(given));
    if (given.end === 'interrupted') return exitCodes.interrupted;
    return isWhole(given, options) ? 0 : exitCodes.failure;
  } finally {
    interrupt.forget();
  }
}

interface Dialogue {
  readonly lines: PipedLines;
  readonly pictures: readonly Picture[];
  readonly loaded: number;
}

/** A turn for each line that another program says: answers on the standard output, all else beside it. */
async function answerAll(session: Chat, { lines, pictures, loaded }: Dialogue, options: ChatOptions): Promise<number> {
  const { json = false, stats = false } = options;
  const { signal, forget } = onInterrupt();
  // Whoever waits for the next line waits no longer.
  signal.addEventListener('abort', lines.close);
  try {
    let cut = false;
    const whole = await dialogue(session, lines.lines, {
      ...{ ...conversationOf(options), pictures, signal, remark: note },
      onPiece: (text) => void (json || process.stdout.write(printable(text, process.stdout))),
      onAnswer(given) {
        process.stdout.write(json ? `${JSON.stringify(asJson(given, loaded))}\n` : '\n');
        if (stats) note(formatStats(given));
        cut = !isWhole(given, options) || cut;
      },
    });
    if (signal.aborted) return exitCodes.interrupted;
    return whole && !cut ? 0 : exitCodes.failure;
  } finally {
    forget();
  }
}

/** Whether an answer has the form that it is held to; that one was cut before is told. */
function isWhole(given: Answer, { constrain }: ChatOptions): boolean {
  if (!isCut(given, constrain)) return true;
  note(cutNote);
  return false;
}

function asJson(given: Answer, loaded: number) {
  const { text, tokens, end, firstToken, total } = given;
  const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1e6;
  const timing = { load: rounded(loaded), firstToken: rounded(firstToken), total: rounded(total) };
  return { text, tokens, end, timing: { ...timing, tokensPerSecond: Math.round(speedOf(given) * 10) / 10 } };
}
