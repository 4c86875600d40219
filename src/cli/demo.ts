/**
 * `quintet demo`, which `npm start` calls: the embedded model says what is in one of the sample pictures, or answers about a
 * picture that is given.
 */

import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPicture } from '../media/index.js';
import { asSystem, Chat, load } from '../model/index.js';
import { parameterCount } from '../system/index.js';
import { answer, formatStats, userMessage } from './answer.js';
import { picturesAndPrompt } from './arguments.js';
import { formatCount } from './format.js';
import { onInterrupt } from './interrupt.js';
import { invocation, typed } from './invocation.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { bold, note, printable } from './terminal.js';

/** In a clone the model of published weights; an installed package has the one that was trained from nothing alone. */
function embedded(): string {
  const folders = ['smol', 'nano'].map((name) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url)));
  return folders.find((folder) => existsSync(join(folder, 'config.json'))) ?? (folders[1] as string);
}

/** What may be typed next, with the program as it was called and the folder as it is seen from here. */
function nextSteps(folder: string): string {
  const [call, model] = [invocation(), typed(shownPath(folder))];
  const rows = [
    [`${call} demo photo.jpg "What is this?"`, 'another picture, another question'],
    [`${call} chat ${model}`, 'a conversation; /help says more'],
    [`${call} info ${model}`, 'what the model is made of'],
    [`${call} recipes`, 'the systems that can be built and trained'],
    [`${call} chat HuggingFaceTB/SmolVLM-256M-Instruct photo.jpg "What is this?"`],
    ['', 'a larger model, downloaded once (0.5 GB)'],
  ];
  const width = 2 + Math.max(...rows.map(([line = '', what]) => (what === undefined ? 0 : line.length)));
  const lines = rows.map(([line = '', what = '']) => `  ${line.padEnd(width)}${what}`.trimEnd());
  return `\nTry next:\n${lines.join('\n')}\n`;
}

const shownPath = (path: string): string => relative(process.cwd(), path) || '.';

export async function demo(
  given: readonly string[],
  options: GlobalOptions,
  folder: string = embedded(),
): Promise<void> {
  const { pictures: paths, prompt = 'Describe the picture.' } = await picturesAndPrompt(given);
  const shown = paths.length > 0 ? paths : [join(folder, 'samples/scene.png')];
  const interrupt = onInterrupt();
  const model = asSystem(await load(folder, await loadOptions(options, interrupt.signal)));
  try {
    const chat = await Chat.open(model);
    const count = formatCount(parameterCount(model.declarations.values()));
    const names = shown.map(shownPath).join(', ');
    process.stdout.write(
      `${model.network.name}, ${count} parameters, looks at ${names}\n${bold(`> ${prompt}`, process.stdout)}\n`,
    );
    const pictures = await Promise.all(shown.map((path) => loadPicture(path)));
    const conversation = { messages: [userMessage(prompt, pictures.length)], pictures };
    const write = (text: string): void => void process.stdout.write(printable(text, process.stdout));
    const said = await answer(chat, conversation, { signal: interrupt.signal, write });
    process.stdout.write('\n');
    note(formatStats(said));
    process.stdout.write(nextSteps(folder));
    await chat.close();
  } finally {
    await model.close();
    interrupt.forget();
  }
}
