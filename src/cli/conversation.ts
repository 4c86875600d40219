/** A conversation: questions by line, streamed answers, pictures in between. Of a person at a terminal, or of a program. */

import { createInterface, type Interface } from 'node:readline';
import { loadPicture, type Picture } from '../media/index.js';
import type { Chat, ReplyOptions } from '../model/index.js';
import { nearest, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { type Answer, answer, cutNote, formatStats, isCut, userMessage } from './answer.js';
import { pictureIn } from './arguments.js';
import { bold, dim, printable } from './terminal.js';

const help = `Type a question and press Enter. Besides:
  /picture PATH   show the model a picture with your next question; its path alone, or the file dropped here, does too
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

/** A conversation with a person. Returns when the user leaves. */
export async function converse(chat: Chat, { input, output }: Terminal, options: ConversationOptions): Promise<void> {
  const isTerminal = 'isTTY' in output && output.isTTY === true;
  const lines = createInterface({ input, output, terminal: isTerminal, prompt: bold('> ', output) });
  const state = begin(options);
  const remark = (text: string): void => void output.write(`${text}\n`);
  remark(dim(`${chat.model.network.name}. /help says what can be typed besides questions.`, output));
  const leave = (): void => lines.close();
  lines.on('SIGINT', leave);
  lines.prompt();
  for await (const line of lines) {
    const said = line.trim();
    if (leaves(said)) break;
    try {
      const question = await questionIn(said, state, { ...options, remark });
      if (question !== undefined) await ask(chat, question, state, { ...options, lines, leave, output });
    } catch (error) {
      if (!(error instanceof QuintetError)) throw error;
      remark(`error: ${error.message}`);
    }
    lines.prompt();
  }
  lines.close();
}

export interface DialogueOptions extends ConversationOptions {
  readonly signal: AbortSignal;
  /** Called with each piece of an answer, and with each whole answer. */
  readonly onPiece: (text: string) => void;
  readonly onAnswer: (given: Answer) => void;
  /** Called with what else there is to say. */
  readonly remark: (text: string) => void;
}

/** A conversation with a program, which says a turn a line. Returns whether all of them were answered. */
export async function dialogue(chat: Chat, lines: AsyncIterable<string>, options: DialogueOptions): Promise<boolean> {
  const { signal, onPiece, onAnswer, remark, ...own } = options;
  const settings = settingsOf(own);
  const state = begin(options);
  let whole = true;
  for await (const line of lines) {
    const said = line.trim();
    if (leaves(said) || signal.aborted) break;
    try {
      const question = await questionIn(said, state, options);
      if (question === undefined) continue;
      onAnswer(await turn(chat, question, state, { ...settings, signal, write: onPiece }));
    } catch (error) {
      if (!(error instanceof QuintetError)) throw error;
      whole = false;
      remark(`error: ${error.message}`);
    }
  }
  return whole && !signal.aborted;
}

function begin({ system, pictures = [] }: ConversationOptions): State {
  const messages: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  return { messages, pictures: [], waiting: [...pictures] };
}

const leaves = (said: string): boolean => said === '/exit' || said === '/quit';

interface Surroundings {
  readonly system?: string;
  readonly remark: (text: string) => void;
}

/** The question that a line asks; undefined where it is for the program, which does what it says. */
async function questionIn(said: string, state: State, surroundings: Surroundings): Promise<string | undefined> {
  // A path may begin as a command does.
  const picture = await pictureIn(said);
  if (picture !== undefined) await show(picture, state, surroundings);
  else if (said.startsWith('/')) await command(said, state, surroundings);
  else if (said !== '') return said;
  return undefined;
}

async function show(path: string, state: State, { remark }: Surroundings): Promise<void> {
  const picture = await loadPicture(path);
  state.waiting.push(picture);
  remark(`A picture of ${picture.width} x ${picture.height} pixels goes with your next question.`);
}

async function command(said: string, state: State, surroundings: Surroundings): Promise<void> {
  const { system, remark } = surroundings;
  const [, word = '', rest = ''] = /^(\/\S*)\s*(.*)$/s.exec(said) ?? [];
  if (word === '/help') remark(help.trimEnd());
  else if (word === '/reset') {
    Object.assign(state, begin(system === undefined ? {} : { system }));
    remark('A new conversation.');
  } else if (word === '/picture') {
    if (rest === '') remark('Give the path of a picture: /picture PATH');
    else await show((await pictureIn(rest)) ?? rest, state, surroundings);
  } else {
    const guess = nearest(word, ['/picture', '/reset', '/help', '/exit']);
    remark(`There is no ${word}.${guess ? ` Did you mean ${guess}?` : ''} /help lists what there is.`);
  }
}

/** Of the options of a conversation those of an answer. */
function settingsOf<T extends ConversationOptions>({ system: _, pictures: __, stats: ___, ...settings }: T) {
  return settings;
}

type TurnOptions = ReplyOptions & { readonly write: (text: string) => void };

/** One question and its answer, which are remembered once all of it is there. */
async function turn(chat: Chat, question: string, state: State, options: TurnOptions): Promise<Answer> {
  const messages = [...state.messages, userMessage(question, state.waiting.length)];
  const pictures = [...state.pictures, ...state.waiting];
  const given = await answer(chat, { messages, pictures }, options);
  const reply: Message = { role: 'assistant', content: given.text };
  Object.assign(state, { messages: [...messages, reply], pictures, waiting: [] });
  return given;
}

interface AskOptions extends ConversationOptions {
  readonly lines: Interface;
  readonly leave: () => void;
  readonly output: NodeJS.WritableStream;
}

/** A turn at a terminal, where Ctrl-C ends the answer and not the conversation. */
async function ask(chat: Chat, question: string, state: State, options: AskOptions): Promise<void> {
  const { lines, leave, output, ...settings } = options;
  const controller = new AbortController();
  const stop = (): void => (controller.signal.aborted ? leave() : controller.abort());
  lines.off('SIGINT', leave).on('SIGINT', stop);
  const write = (piece: string): void => void output.write(printable(piece, output));
  try {
    const given = await turn(chat, question, state, { ...settingsOf(settings), signal: controller.signal, write });
    output.write('\n');
    if (isCut(given, settings.constrain)) output.write(`${dim(cutNote, output)}\n`);
    if (settings.stats) output.write(`${dim(formatStats(given), output)}\n`);
  } finally {
    lines.off('SIGINT', stop).on('SIGINT', leave);
  }
}
