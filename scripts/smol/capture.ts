/**
 * Draws a conversation with Smol for the README: `npx tsx scripts/smol/capture.ts`. The questions are typed into the program's own
 * conversation, and what it writes stands in `docs/conversation.svg` as it comes, beside the picture that it is about.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { converse } from '../../src/cli/conversation.js';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load } from '../../src/model/index.js';
import { modelFolder } from './places.js';

const picture = join(modelFolder, 'samples', 'scene.png');
const questions = [
  'Describe the picture.',
  'How many things are there?',
  'Where is the ladybug?',
  'What is at the top left?',
  'Is there a cat in the picture?',
  'What color is the background?',
] as const;

/** What a terminal would show. */
async function transcript(): Promise<string[]> {
  const model = asSystem(await load(modelFolder));
  const chat = await Chat.open(model);
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = '$ npm run quintet -- chat models/smol models/smol/samples/scene.png\n';
  const waiting = [...questions, '/exit'];
  output.on('data', (piece: Buffer) => {
    shown += piece.toString();
    if (!shown.endsWith('> ')) return;
    const line = waiting.shift();
    if (line === undefined) return;
    // A terminal shows what is typed. Who has just asked for it does not listen yet.
    shown += `${line}\n`;
    setImmediate(() => input.write(`${line}\n`));
  });
  await converse(chat, { input, output }, { pictures: [await loadPicture(picture)], maxTokens: 80 });
  await chat.close();
  await model.close();
  return shown.trimEnd().split('\n').slice(0, -1);
}

const [letter, line, margin, side] = [8.4, 21, 20, 224];
const columns = 74;

/** Lines that are too long go on below. */
function wrapped(text: string): string[] {
  const rows: string[] = [];
  let rest = text;
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns);
    rows.push(rest.slice(0, space > 0 ? space : columns));
    rest = rest.slice(space > 0 ? space + 1 : columns);
  }
  return [...rows, rest];
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function drawn(lines: readonly string[]): string {
  const rows = lines.flatMap((text) => wrapped(text).map((row) => ({ row, typed: /^[>$] /.test(text) })));
  const left = margin * 2 + side;
  const [width, height] = [left + columns * letter + margin, Math.max(rows.length * line, side) + 2 * margin];
  const texts = rows.map(({ row, typed }, i) => {
    const fill = typed ? '#7ee0a5' : '#e8e8e8';
    return `<text x="${left}" y="${margin + (i + 0.75) * line}" fill="${fill}" xml:space="preserve">${escaped(row)}</text>`;
  });
  const data = readFileSync(picture).toString('base64');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<rect width="100%" height="100%" rx="10" fill="#1d1f24"/>`,
    `<image x="${margin}" y="${margin}" width="${side}" height="${side}" href="data:image/png;base64,${data}"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">`,
    ...texts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

writeFileSync('docs/conversation.svg', drawn(await transcript()));
