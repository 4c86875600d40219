/** Run files in folders of their own: a tiny LLaVA over four chats about pictures. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFolder } from '../temporary.js';

const chat = (picture: string, question: string, answer: string) => ({
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', path: picture },
        { type: 'text', text: question },
      ],
    },
    { role: 'assistant', content: answer },
  ],
});

export const chats = [
  chat('one.png', 'What do you see?', 'a tall tree'),
  chat('two.png', 'How many birds?', 'two birds'),
  chat('grey.png', 'What do you see?', 'nothing at all'),
  chat('two.png', 'What do you see?', 'birds in a tree'),
];

type Settings = Readonly<Record<string, unknown>>;

/**
 * A folder that lasts as long as the test, with a fixture's model as `base`, pictures, `chats.jsonl` and `run.yaml`, whose
 * path is returned.
 */
export function runFolder(settings: Settings, base = 'llava'): { readonly folder: string; readonly file: string } {
  const folder = temporaryFolder();
  cpSync(`${fixturePath('llava')}/media`, folder, { recursive: true });
  cpSync(`${fixturePath(base)}/model`, join(folder, 'base'), { recursive: true });
  writeFileSync(join(folder, 'chats.jsonl'), jsonLines(chats));
  const file = join(folder, 'run.yaml');
  writeFileSync(file, stringify({ model: './base', output: 'out', seed: 3, ...settings }));
  return { folder, file };
}

/** A stage of a run file. */
export const stage = (settings: Settings): Settings => ({
  ...{ data: 'chats.jsonl', batch: 2, steps: 4, optimizer: { lr: 3e-3, warmup: 2, schedule: 'cosine' } },
  ...settings,
});
