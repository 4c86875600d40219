/** What part of its steps a run spends waiting for pictures. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultEngine } from '../../src/index.js';
import { clip224 } from '../contenders/clip.js';
import { picturedConfig, writePictured } from '../contenders/pictured.js';
import type { Benchmark, Contender, TrainingSettings } from '../harness/benchmark.js';
import { models } from '../harness/paths.js';
import { height, photographs, width } from '../harness/photographs.js';
import { packedFolder } from './language.js';

const threads = 2;
const steps = 20;
const pictures = 64;

const quintet = (name: string, training: TrainingSettings): Contender => ({
  name: `Quintet projector ${name}`,
  program: 'quintet-run',
  settings: { path: models.f32Folder, threads, training },
  environment: { QUINTET_CACHE: packedFolder },
});

/** Chats of SmolLM2's form, with pictures where <image> is. */
const template = `{% for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

/** A folder with a model as `base`, pictures, and samples as `chats.jsonl`; it is gone when the program ends. */
async function runFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'waiting-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const base = join(folder, 'base');
  mkdirSync(base);
  copyFileSync(join(models.f32Folder, 'tokenizer_config.json'), join(base, 'tokenizer_config.json'));
  // A word that no chat has.
  const tokenizer = readFileSync(join(models.f32Folder, 'tokenizer.json'), 'utf8');
  writeFileSync(join(base, 'tokenizer.json'), tokenizer.replaceAll('<empty_output>', '<image>'));
  writeFileSync(join(base, 'preprocessor_config.json'), JSON.stringify(clip224));
  writeFileSync(join(base, 'chat_template.jinja'), template);
  await writePictured(await defaultEngine({ threads }), base, picturedConfig(models.f32Folder, 16));
  const samples = (await photographs(folder, pictures)).map((image, i) => {
    const answer = Array.from({ length: 8 }, (_, line) => `Line ${line} of picture ${i}.`).join(' ');
    return JSON.stringify({ image, question: 'What is this?', answer });
  });
  writeFileSync(join(folder, 'chats.jsonl'), samples.join('\n'));
  return folder;
}

let folder: Promise<string> | undefined;

export const waiting: Benchmark = {
  name: 'waiting',
  title: 'Waiting',
  about:
    `The part of ${steps} steps that a run of \`quintet train\` has spent waiting for its data, as its log says, and ` +
    `milliseconds of a step: a perceptron alone, between CLIP's ViT-B/16 and SmolLM2-135M, learns from batches of 4 JPEG ` +
    `files of ${width} x ${height}, ${pictures} in all, with some words about each; with frozen weights in f32, in eight ` +
    "bits, and with what the encoder made of the pictures kept, behind the first epoch. Without real-time priority, as users' runs.",
  contenders: [
    quintet('f32', { work: 'projector' }),
    quintet('int8', { work: 'projector', frozen: 'int8' }),
    quintet('int8, features kept', { work: 'projector-kept', frozen: 'int8' }),
  ],
  measures: [
    { name: 'waiting', unit: '%', better: 'less' },
    { name: 'step', unit: 'ms', better: 'less' },
  ],
  pairs: [],
  realtime: false,
  once: true,
  turn: {
    kind: 'fresh',
    async take(contender, start) {
      folder ??= runFolder();
      const settings = { ...contender.settings, path: await folder };
      const child = start(contender);
      try {
        await child.ask('prepare', { ...contender, settings });
        await child.ask('open', {});
        const { waiting, step } = await child.ask('train', { steps });
        return { waiting: 100 * waiting, step };
      } finally {
        await child.stop();
      }
    },
  },
};
