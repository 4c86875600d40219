/**
 * `quintet demo`, which `npm start` calls: the embedded model says what is in one of the sample pictures, or answers about a
 * picture that is given.
 */

import { join, relative } from 'node:path';
import { kindOfPath } from '../checkpoint/index.js';
import { loadPicture } from '../media/index.js';
import {
  asSystem,
  Chat,
  findShipped,
  load,
  type Model,
  modelsCache,
  shippedModel,
  wholeFolder,
} from '../model/index.js';
import { parameterCount, type System } from '../system/index.js';
import { answer, formatStats, userMessage } from './answer.js';
import { picturesAndPrompt } from './arguments.js';
import { formatCount } from './format.js';
import { interruptible } from './interrupt.js';
import { demoInvocation, invocation, typed } from './invocation.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { bold, note, printable } from './terminal.js';

/** The model of published weights, or where not all of it is here the one that was trained from nothing. */
async function embedded(): Promise<{ readonly name: string; readonly folder: string }> {
  const cache = modelsCache(process.env);
  const smol = await shippedModel('smol');
  const folder = smol && (await wholeFolder(smol, cache));
  return folder === undefined ? { name: 'nano', folder: await findShipped('nano', cache) } : { name: 'smol', folder };
}

/** What may be typed next, with the program and the model as they are called. */
function nextSteps(model: string): string {
  const call = invocation();
  const rows = [
    [`${demoInvocation()} photo.jpg "What is this?"`, 'another picture, another question'],
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

/** `given` are pictures and a question, `source` is another folder than the embedded model's. */
export async function demo(given: readonly string[], options: GlobalOptions, source?: string): Promise<void> {
  const { pictures: paths, prompt = 'Describe the picture.' } = await picturesAndPrompt(given);
  const { name, folder } = source === undefined ? await embedded() : { name: source, folder: source };
  const shown = paths.length > 0 ? paths : [join(folder, 'samples/scene.png')];
  await interruptible(async (signal) => {
    const model = asSystem(await load(folder, await loadOptions(options, signal)));
    try {
      await show(model, { paths: shown, prompt, signal });
    } finally {
      await model.close();
    }
  });
  // Of a path that is called so the name would be understood.
  const isPath = (await kindOfPath(name)) !== undefined;
  process.stdout.write(nextSteps(isPath ? typed(shownPath(folder)) : name));
}

interface Question {
  readonly paths: readonly string[];
  readonly prompt: string;
  readonly signal: AbortSignal;
}

/** What is asked of which pictures, and what the model says to that. */
async function show(model: Model<System>, { paths, prompt, signal }: Question): Promise<void> {
  const chat = await Chat.open(model);
  try {
    const count = formatCount(parameterCount(model.declarations.values()));
    const names = paths.map(shownPath).join(', ');
    process.stdout.write(
      `${model.network.name}, ${count} parameters, looks at ${names}\n${bold(`> ${prompt}`, process.stdout)}\n`,
    );
    const pictures = await Promise.all(paths.map((path) => loadPicture(path)));
    const conversation = { messages: [userMessage(prompt, pictures.length)], pictures };
    const write = (text: string): void => void process.stdout.write(printable(text, process.stdout));
    const said = await answer(chat, conversation, { signal, write });
    process.stdout.write('\n');
    note(formatStats(said));
  } finally {
    await chat.close();
  }
}
