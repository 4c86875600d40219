/** Conversations with a model of Quintet's that sees, as an application holds them: what is waited for, and what waits. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  asSystem,
  Chat,
  defaultEngine,
  load,
  loadPicture,
  type Picture,
  type PicturedChat,
  type ReplyOptions,
} from '../../src/index.js';
import type { Program } from '../contender.js';
import type { Settings } from '../harness/benchmark.js';
import type { Tasks } from '../harness/tasks.js';

export async function prepare({ path, weights, threads }: Settings): Promise<() => Promise<Program>> {
  const engine = await defaultEngine({ threads });
  return async () => {
    const chat = await Chat.open(asSystem(await load(path as string, { engine, ...(weights ? { weights } : {}) })));
    return { talk: (asked) => talk(chat, asked) };
  };
}

const answered: ReplyOptions = { maxTokens: 48, temperature: 0, stopIds: [] };

async function talk(chat: Chat, { pictures }: Tasks['talk']['asked']): Promise<Tasks['talk']['answer']> {
  const pauses = { opening: 0, writing: 0, JSON: 0, pictures: 0, copying: 0 };
  const during = async <T>(what: keyof typeof pauses, work: () => Promise<T>): Promise<T> => {
    const { result, pause } = await watched(work);
    pauses[what] = Math.max(pauses[what], pause);
    return result;
  };
  const long = longText(chat, 1000);
  await during('opening', () => chat.voices.of(0));
  const text = await during('writing', () => firstToken(chat, turn(`${long}\nWhat is this text about?`)));
  const second = await during('copying', () => firstToken(chat.fork(), turn(`${long}\nWhat may be reproduced?`)));
  await during('JSON', () => firstToken(chat, turn('Write an invoice as JSON.'), { ...answered, ...invoice }));

  await during('opening', () => chat.voices.of(1));
  const look = (file: string, asked: string) => async () => {
    const started = performance.now();
    const picture = await loadPicture(file);
    const own = chat.fork();
    const { said, first } = await reply(own, turn(asked, picture));
    return { ms: first - started, own, said, asked, picture };
  };
  const [before, file] = pictures;
  // The decoder's library is loaded by the first picture of a process.
  await during('opening', () => loadPicture(before));
  await during('pictures', look(before, 'What is in the picture?'));
  const { own, said, asked, picture, ms } = await during('pictures', look(file, 'What is in the picture?'));
  const going = turn(asked, picture, said, 'Which colours does it have?');
  const next = await during('pictures', () => firstToken(own, going));
  const elsewhere = await during('copying', look(file, 'Where was it taken?'));
  await chat.close();
  return {
    text: { first: text, second },
    picture: { first: ms, second: next, elsewhere: elsewhere.ms },
    pauses,
  };
}

/** What the work gives, and the longest time in milliseconds between two turns of the event loop, 1 of which is waited for. */
async function watched<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly pause: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(5);
  const result = await work();
  // A pause is known when it is over.
  await sleep(5);
  delay.disable();
  return { result, pause: delay.max / 1e6 };
}

async function firstToken(chat: Chat, asked: PicturedChat, options: ReplyOptions = answered): Promise<number> {
  const started = performance.now();
  return (await reply(chat, asked, options)).first - started;
}

/** The answer, and when its first token was there. */
async function reply(chat: Chat, asked: PicturedChat, options: ReplyOptions = answered) {
  let [said, first] = ['', 0];
  for await (const { text } of chat.reply(asked, options)) {
    first ||= performance.now();
    said += text;
  }
  return { said, first };
}

/** A question, the first one with a picture, and what was said and asked behind it. */
function turn(asked: string, picture?: Picture, said?: string, then = ''): PicturedChat {
  const text = { type: 'text' as const, text: asked };
  const behind = [
    { role: 'assistant' as const, content: said ?? '' },
    { role: 'user' as const, content: then },
  ];
  return {
    messages: [
      { role: 'user', content: picture ? [{ type: 'image' }, text] : asked },
      ...(said === undefined ? [] : behind),
    ],
    pictures: picture ? [picture] : [],
  };
}

/** The project's license, as far as it takes so many tokens. */
function longText({ processor: { tokenizer } }: Chat, tokens: number): string {
  const text = readFileSync(join(process.env.BENCH_FOLDER as string, '..', 'LICENSE'), 'utf8').replace(/\s+/g, ' ');
  const perCharacter = tokenizer.encode(text, {}).length / text.length;
  return text.slice(0, Math.round(tokens / perCharacter));
}

const text = (maxLength: number) => ({ type: 'string', maxLength }) as const;
const amount = { type: 'number', minimum: 0, maximum: 1e6 } as const;

const invoice: Pick<ReplyOptions, 'constrain'> = {
  constrain: {
    json: {
      type: 'object',
      properties: {
        number: { type: 'string', pattern: '^[A-Z]{2}-[0-9]{4,8}$' },
        issued: { type: 'string', format: 'date' },
        currency: { enum: ['EUR', 'USD', 'GBP', 'JPY', 'CHF'] },
        customer: { $ref: '#/$defs/party' },
        seller: { $ref: '#/$defs/party' },
        items: { type: 'array', minItems: 1, maxItems: 20, items: { $ref: '#/$defs/item' } },
        paid: { type: ['boolean', 'null'] },
        total: amount,
        notes: { type: 'array', maxItems: 5, items: text(200) },
      },
      required: ['number', 'issued', 'currency', 'customer', 'items', 'total'],
      additionalProperties: false,
      $defs: {
        party: {
          type: 'object',
          properties: { name: text(80), street: text(80), city: text(60), email: { type: 'string', format: 'email' } },
          required: ['name', 'city'],
          additionalProperties: false,
        },
        item: {
          type: 'object',
          properties: { title: text(120), quantity: { type: 'integer', minimum: 1, maximum: 999 }, price: amount },
          required: ['title', 'quantity', 'price'],
          additionalProperties: false,
        },
      },
    },
  },
};
