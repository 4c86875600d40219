/**
 * Asks a model the held-out questions: `npx tsx scripts/nano/evaluate.ts [--model models/nano] [--limit 300] [--weights int8] [--data FOLDER]`.
 *
 * An answer is right when it is the expected one, letter for letter. Each question is a conversation of its own; in
 * `follow-up` three of those about a picture of `seen` are asked one after another, and all but the first count. Prints a
 * table of Markdown and writes every answer to `answers-<column>.jsonl` beside the data.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load, type WeightsOption } from '../../src/model/index.js';
import { Random } from '../../src/tensor/index.js';
import type { Message } from '../../src/text/messages.js';
import { interval } from '../interval.js';
import { cacheFolder } from './art.js';
import { questionKinds } from './questions.js';
import { splits } from './scene.js';

interface Question {
  readonly kind: string;
  readonly question: string;
  readonly answer: string;
}

interface Asked extends Question {
  readonly image: string;
  readonly said: string;
}

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/nano' },
    data: { type: 'string', default: join(cacheFolder, 'data') },
    limit: { type: 'string', default: '1000' },
    weights: { type: 'string', default: 'auto' },
  },
});
const limit = Number(values.limit);
if (!(Number.isInteger(limit) && limit > 0))
  throw new Error(`--limit: expected a number of pictures, got ${values.limit}`);
if (!existsSync(join(values.data, 'seen.jsonl')))
  throw new Error(`${values.data}: no seen.jsonl there; scripts/nano/make-data.ts draws it first`);
const model = asSystem(await load(values.model, { weights: values.weights as WeightsOption }));
const chat = await Chat.open(model);
const columns = [...splits.filter((split) => split !== 'train'), 'follow-up'] as const;
const results = new Map<string, Asked[]>();
for (const column of columns) {
  const split = column === 'follow-up' ? 'seen' : column;
  const lines = readFileSync(join(values.data, `${split}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  const asked: Asked[] = [];
  for (const [index, line] of lines.slice(0, limit).entries())
    asked.push(...(column === 'follow-up' ? await converse(line, index) : await askAll(line)));
  writeFileSync(
    join(values.data, `answers-${column}.jsonl`),
    asked.map((answer) => `${JSON.stringify(answer)}\n`).join(''),
  );
  results.set(column, asked);
}
console.log(`| question | ${columns.join(' | ')} |\n|---|${columns.map(() => '---').join('|')}|`);
for (const kind of [...questionKinds, 'all']) {
  const cells = columns.map((column) => {
    const all = results.get(column)!;
    return score(kind === 'all' ? all : all.filter((asked) => asked.kind === kind));
  });
  console.log(`| ${kind} | ${cells.join(' | ')} |`);
}
await chat.close();
await model.close();

interface Questions {
  readonly image: string;
  readonly questions: readonly Question[];
}

/** All questions about one picture, answered together. */
async function askAll(line: string): Promise<Asked[]> {
  const { image, questions } = JSON.parse(line) as Questions;
  const picture = await loadPicture(join(values.data, image));
  const chats = questions.map(({ question }) => {
    const content = [{ type: 'image' as const }, { type: 'text' as const, text: question }];
    return { messages: [{ role: 'user' as const, content }], pictures: [picture] };
  });
  const said = await chat.answers(chats, { maxTokens: 96 });
  return questions.map((question, i) => ({ image, ...question, said: said[i]! }));
}

/** Three questions about one picture in random order in one conversation, which goes on from what the model said. */
async function converse(line: string, index: number): Promise<Asked[]> {
  const { image, questions } = JSON.parse(line) as Questions;
  const picture = await loadPicture(join(values.data, image));
  const messages: Message[] = [];
  const asked: Asked[] = [];
  for (const question of new Random(index).shuffle(questions).slice(0, 3)) {
    const pictured = messages.length === 0 ? [{ type: 'image' as const }] : [];
    messages.push({ role: 'user', content: [...pictured, { type: 'text', text: question.question }] });
    const said = await chat.answer({ messages, pictures: [picture] }, { maxTokens: 96 });
    messages.push({ role: 'assistant', content: [{ type: 'text', text: said }] });
    asked.push({ image, ...question, said });
  }
  return asked.slice(1);
}

/** The share of right answers, letter for letter. */
function score(asked: readonly Asked[]): string {
  return interval(asked.map(({ said, answer }) => said === answer)) || 'none asked';
}
