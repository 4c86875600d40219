/**
 * Instructions with what came of them, as Stanford Alpaca (https://github.com/tatsu-lab/stanford_alpaca) writes them, with the
 * system prompt and the earlier exchanges that LLaMA-Factory adds:
 *
 *     {"instruction": "Translate into German.", "input": "A cat.", "output": "Eine Katze."}
 *     {"system": "Be brief.", "instruction": "And a dog?", "output": "Ein Hund.", "history": [["A cat?", "Eine Katze."]]}
 *
 * The instruction and, where there is one, the input behind a blank line are what the user says. Pictures are named as in
 * `chat.ts`.
 */

import { type Fields, fields } from '../tensor/index.js';
import { readChat } from './chat.js';
import { type Conversation, dataError } from './sample.js';

export function readInstruction(record: Fields): Conversation {
  const system = record.text('system', '');
  const input = record.text('input', '');
  const instruction = record.text('instruction');
  const exchanges = [
    ...historyOf(record),
    [input === '' ? instruction : `${instruction}\n\n${input}`, outputOf(record)],
  ];
  const messages = exchanges.flatMap(([user, assistant]) => [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ]);
  const all = system === '' ? messages : [{ role: 'system', content: system }, ...messages];
  return readChat(fields({ ...record.raw, messages: all }, record.at));
}

function outputOf(record: Fields): string {
  if (record.has('output')) return record.text('output');
  throw dataError(record.at, 'an instruction without an output', 'Fields: instruction, output and, if need be, input');
}

/** Pairs of what was asked and answered before. */
function historyOf(record: Fields): (readonly [string, string])[] {
  if (!record.has('history')) return [];
  const { history } = record.raw;
  const isPair = (one: unknown): one is [string, string] =>
    Array.isArray(one) && one.length === 2 && one.every((text) => typeof text === 'string');
  if (Array.isArray(history) && history.every(isPair)) return history;
  throw dataError(record.at, 'history: expected pairs of a question and its answer');
}
