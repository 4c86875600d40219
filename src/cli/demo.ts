#!/usr/bin/env node
/** `npm start`: the embedded model tells what is in one of the sample pictures, or answers about a picture that is given. */

import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPicture } from '../media/index.js';
import { asSystem, Chat, load } from '../model/index.js';
import { parameterCount } from '../system/index.js';
import { answer, formatStats, userMessage } from './answer.js';
import { picturesAndPrompt } from './arguments.js';
import { report } from './failures.js';
import { formatCount } from './format.js';
import { onInterrupt } from './interrupt.js';
import { loadOptions } from './settings.js';
import { bold, note } from './terminal.js';

const embedded = fileURLToPath(new URL('../../models/nano', import.meta.url));

const next = `
Try next:
  npm start -- photo.jpg "What is this?"        another picture, another question
  npm run quintet -- chat models/nano           a conversation; /help says more
  npm run quintet -- info models/nano           what the model is made of
  npm run quintet -- recipes                    the systems that can be built and trained
  npm run quintet -- chat HuggingFaceTB/SmolVLM-256M-Instruct photo.jpg "What is this?"
                                                a larger model, downloaded once (0.5 GB)
`;

/** The first of the sample pictures. */
async function samplePicture(): Promise<string> {
  const folder = join(embedded, 'samples');
  const [first] = (await readdir(folder)).filter((name) => /\.(png|jpe?g|webp)$/.test(name)).sort();
  if (first === undefined) throw new Error(`no picture in ${folder}`);
  return join(folder, first);
}

async function demonstrate(given: readonly string[]): Promise<void> {
  const { pictures: paths, prompt = 'Describe the picture.' } = await picturesAndPrompt(given);
  const shown = paths.length > 0 ? paths : [await samplePicture()];
  const interrupt = onInterrupt();
  const model = asSystem(await load(embedded, await loadOptions({ offline: true })));
  try {
    const chat = await Chat.open(model);
    const count = formatCount(parameterCount(model.declarations.values()));
    const names = shown.map((path) => relative(process.cwd(), path)).join(', ');
    process.stdout.write(`nano, ${count} parameters, looks at ${names}\n${bold(`> ${prompt}`, process.stdout)}\n`);
    const pictures = await Promise.all(shown.map((path) => loadPicture(path)));
    const conversation = { messages: [userMessage(prompt, pictures.length)], pictures };
    const write = (text: string): void => void process.stdout.write(text);
    const said = await answer(chat, conversation, { signal: interrupt.signal, write });
    process.stdout.write('\n');
    note(formatStats(said));
    process.stdout.write(next);
    await chat.close();
  } finally {
    await model.close();
    interrupt.forget();
  }
}

try {
  await demonstrate(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
