/** `quintet chat`: an answer to one prompt, or a conversation. */

import { text as readAll } from 'node:stream/consumers';
import { loadPicture, type Picture } from '../media/index.js';
import { asSystem, Chat, draftModel, LanguageSession, load, promptLookup, type ReplyOptions } from '../model/index.js';
import type { Message } from '../text/messages.js';
import { type Answer, answer, formatStats, speedOf, userMessage } from './answer.js';
import { picturesAndPrompt } from './arguments.js';
import { type ConstraintOptions, constraintOf } from './constraint.js';
import { converse } from './conversation.js';
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
  const { pictures: paths, prompt = await pipedPrompt() } = await picturesAndPrompt(given);
  if (prompt === undefined && options.json) throw new UsageError('--json needs a prompt');
  const constrain = await constraintOf(options);
  const started = performance.now();
  const pictures = await Promise.all(paths.map((path) => loadPicture(path)));
  const adapter = options.adapter === undefined ? {} : { adapter: options.adapter };
  const model = await interruptible(async (signal) =>
    load(source, { ...(await loadOptions(options, signal)), ...adapter }),
  );
  try {
    const session = await Chat.open(asSystem(model));
    const draft = await openDraft(options);
    const speculate = draft?.speculate ?? (options.lookup ? promptLookup() : undefined);
    const loaded = performance.now() - started;
    try {
      const all = { ...options, ...(speculate ? { speculate } : {}), ...(constrain ? { constrain } : {}) };
      if (prompt !== undefined) return await once(session, { prompt, pictures, loaded }, all);
      const terminal = { input: process.stdin, output: process.stdout };
      const { system, stats = false } = options;
      const settings = { ...settingsOf(all), ...(system === undefined ? {} : { system }) };
      await converse(session, terminal, { ...settings, stats, pictures });
      return 0;
    } finally {
      await session.close();
      await draft?.close();
    }
  } finally {
    await model.close();
  }
}

/** The model that guesses for another, where one is named. */
async function openDraft(options: ChatOptions) {
  if (options.draft === undefined) return undefined;
  const source = options.draft;
  const model = asSystem(await interruptible(async (signal) => load(source, await loadOptions(options, signal))));
  const session = await LanguageSession.open(model);
  return {
    speculate: draftModel(session),
    async close() {
      await session.close();
      await model.close();
    },
  };
}

/** The prompt that another program gives; undefined where a person sits at a terminal. */
async function pipedPrompt(): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined;
  const prompt = (await readAll(process.stdin)).trim();
  if (prompt === '') throw new UsageError('no prompt: give one as the last argument, or on the standard input');
  return prompt;
}

/** Only what was given: anything else is for the model's own settings to say. */
export function settingsOf(options: ChatOptions): ReplyOptions {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, seed, stop, speculate, constrain } = options;
  const all = { maxTokens, temperature, topK, topP, minP, repetitionPenalty, seed, stop, speculate, constrain };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
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
    return given.end === 'interrupted' ? exitCodes.interrupted : 0;
  } finally {
    interrupt.forget();
  }
}

function asJson(given: Answer, loaded: number) {
  const { text, tokens, end, firstToken, total } = given;
  const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1e6;
  const timing = { load: rounded(loaded), firstToken: rounded(firstToken), total: rounded(total) };
  return { text, tokens, end, timing: { ...timing, tokensPerSecond: Math.round(speedOf(given) * 10) / 10 } };
}
