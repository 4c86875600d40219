/** A conversation at a terminal: questions by line, streamed answers, pictures in between. */

import { createInterface, type Interface } from 'node:readline';
import { loadPicture, type Picture } from '../media/index.js';
import type { Chat, ReplyOptions } from '../model/index.js';
import { nearest, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { answer, formatStats, userMessage } from './answer.js';
import { bold, dim, printable } from './terminal.js';

const help = `Type a question and press Enter. Besides:
  /picture PATH   show the model a picture with your next question
  /reset          begin a new conversation
  /help           this text
  /exit           leave (also Ctrl-D)
Ctrl-C ends an answer; pressed twice, or before a question, it leaves.
`;

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export interface ConversationOptions extends Omit<ReplyOptions, 'signal'> {
  readonly system?: string;
  /** Shown with the first question. */
  readonly pictures?: readonly Picture[];
  readonly stats?: boolean;
}

interface State {
  messages: Message[];
  pictures: Picture[];
  /** Pictures for the next question. */
  waiting: Picture[];
}

/** Returns when the user leaves. */
export async function converse(chat: Chat, { input, output }: Terminal, options: ConversationOptions): Promise<void> {
  const isTerminal = 'isTTY' in output && output.isTTY === true;
  const lines = createInterface({ input, output, terminal: isTerminal, prompt: bold('> ', output) });
  const state = begin(options.system);
  state.waiting.push(...(options.pictures ?? []));
  output.write(`${dim(`${chat.model.network.name}. /help says what can be typed besides questions.`, output)}\n`);
  const leave = (): void => lines.close();
  lines.on('SIGINT', leave);
  lines.prompt();
  for await (const line of lines) {
    const text = line.trim();
    if (text === '/exit' || text === '/quit') break;
    try {
      if (text.startsWith('/')) await command(text, state, { output, system: options.system });
      else if (text !== '') await turn(chat, text, state, { ...options, lines, leave, output });
    } catch (error) {
      if (!(error instanceof QuintetError)) throw error;
      output.write(`error: ${error.message}\n`);
    }
    lines.prompt();
  }
  lines.close();
}

function begin(system: string | undefined): State {
  const messages: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return { messages, pictures: [], waiting: [] };
}

interface CommandContext {
  readonly output: NodeJS.WritableStream;
  readonly system: string | undefined;
}

async function command(text: string, state: State, { output, system }: CommandContext): Promise<void> {
  const [, word = '', rest = ''] = /^(\/\S*)\s*(.*)$/s.exec(text) ?? [];
  if (word === '/help') output.write(help);
  else if (word === '/reset') {
    Object.assign(state, begin(system));
    output.write('A new conversation.\n');
  } else if (word === '/picture') {
    if (rest === '') output.write('Give the path of a picture: /picture PATH\n');
    else {
      const picture = await loadPicture(rest);
      state.waiting.push(picture);
      output.write(`A picture of ${picture.width} x ${picture.height} pixels goes with your next question.\n`);
    }
  } else {
    const guess = nearest(word, ['/picture', '/reset', '/help', '/exit']);
    output.write(`There is no ${word}.${guess ? ` Did you mean ${guess}?` : ''} /help lists what there is.\n`);
  }
}

interface TurnOptions extends ConversationOptions {
  readonly lines: Interface;
  readonly leave: () => void;
  readonly output: NodeJS.WritableStream;
}

async function turn(chat: Chat, text: string, state: State, options: TurnOptions): Promise<void> {
  const { lines, leave, output, stats, system: _, pictures: __, ...settings } = options;
  const controller = new AbortController();
  const stop = (): void => (controller.signal.aborted ? leave() : controller.abort());
  lines.off('SIGINT', leave).on('SIGINT', stop);
  const messages = [...state.messages, userMessage(text, state.waiting.length)];
  const pictures = [...state.pictures, ...state.waiting];
  try {
    const given = await answer(
      chat,
      { messages, pictures },
      {
        ...settings,
        signal: controller.signal,
        write: (piece) => void output.write(printable(piece, output)),
      },
    );
    output.write('\n');
    if (stats) output.write(`${dim(formatStats(given), output)}\n`);
    const reply: Message = { role: 'assistant', content: given.text };
    Object.assign(state, { messages: [...messages, reply], pictures, waiting: [] });
  } finally {
    lines.off('SIGINT', stop).on('SIGINT', leave);
  }
}
