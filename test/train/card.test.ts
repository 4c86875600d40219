/** The card of a trained model. How transformers and peft take the folder itself: oracle/check_export.py. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { bestOf, evaluationsIn } from '../../src/train/evaluations.js';
import { runFile } from '../../src/train/run.js';
import { readRunLog } from '../../src/train/run-log.js';
import { engine } from '../fixture.js';
import { runFolder, stage } from './runs.js';

type Settings = Readonly<Record<string, unknown>>;

const asked = {
  evaluate: { data: 'chats.jsonl', every: 2 },
  samples: [{ pictures: ['two.png'], prompt: 'Who | <b>what</b>\n# and *why*?', maxTokens: 3 }],
};

async function card(settings: Settings, change: (folder: string) => void = () => {}) {
  const { file, folder } = runFolder(settings);
  change(folder);
  const { folder: written = '' } = await runFile(file, { engine, clock: () => 1764082800000 });
  const text = readFileSync(join(written, 'README.md'), 'utf8');
  const [, front = '', body = ''] = /^---\n(.*?)\n---\n(.*)$/s.exec(text) ?? [];
  return { folder, written, front: parse(front) as Settings, body };
}

test('the card of a model tells its licence, its training, and the evaluation of what is in the folder', async () => {
  const stages = [stage({ name: 'align', train: ['language_model.**'], steps: 8, optimizer: { lr: 0.2 } })];
  const { folder, front, body } = await card({ ...asked, keepBest: true, stages }, (base) =>
    writeFileSync(join(base, 'base/README.md'), '---\nlicense: llama2\nbase_model: [17]\n---\n# base\n'),
  );
  const evaluations = evaluationsIn(await readRunLog(join(folder, 'out/align/log.jsonl')));
  const best = bestOf(evaluations);
  expect(front).toMatchObject({ library_name: 'transformers', license: 'llama2', pipeline_tag: 'image-text-to-text' });
  expect(front).not.toHaveProperty('base_model'); // a folder of this machine is no model that others know
  expect(front['model-index']).toEqual([
    {
      name: 'out',
      results: [
        {
          task: { type: 'image-text-to-text' },
          dataset: { name: 'chats.jsonl', type: 'held-out' },
          metrics: [{ type: 'loss', value: best?.loss, name: 'Held-out loss' }],
        },
      ],
    },
  ]);
  expect(body).toContain(`| align | ${best?.step} | **${best?.loss?.toFixed(4)}** |  |`);
  expect(body.match(/^\| align \| \d+ \|/gm)).toHaveLength(evaluations.length);
  expect(body).toContain('lr: 0.2');
  expect(body).not.toContain(folder);
});

test('what was asked and answered stays in its cells', async () => {
  const { body } = await card({ ...asked, stages: [stage({ name: 'align' })] });
  expect(body).toContain('| two.png | Who \\| &lt;b&gt;what&lt;/b&gt; \\# and \\*why\\*? |');
  const rows = body.split('\n').filter((line) => line.startsWith('| '));
  const cells = rows.map((row) => row.replaceAll('\\|', '').split('|').length - 2);
  expect(new Set(cells)).toEqual(new Set([8, 4]));
});

test('the card of what ships with Quintet was trained from names it, its licence and what it was made of', async () => {
  const lora = { rank: 2, on: ['language_model.**.q_proj'] };
  const { front, body } = await card({ model: 'nano', stages: [stage({ name: 'tune', train: [], lora, steps: 2 })] });
  expect(front).toMatchObject({ library_name: 'quintet', license: 'apache-2.0' });
  expect(front).not.toHaveProperty('base_model'); // it was trained from nothing
  expect(body).toMatch(/^An adapter over `nano` that ships with Quintet, a \S+ of 5\.99M parameters,/m);
  expect(body).toContain('quintet chat nano --adapter FOLDER');
  expect(body).not.toContain('BASE');
});

test('of a base that is not on the Hub its card tells what that was made of', async () => {
  const made = await card({ stages: [stage({ name: 'align' })] }, (base) =>
    writeFileSync(join(base, 'base/README.md'), '---\nbase_model: someone/tiny\n---\n'),
  );
  expect(made.front).toMatchObject({ base_model: 'someone/tiny', base_model_relation: 'finetune' });
  const lora = { rank: 2, on: ['language_model.**.q_proj'] };
  const over = await card({ stages: [stage({ name: 'tune', train: [], lora })] }, (base) =>
    writeFileSync(join(base, 'base/README.md'), '---\nbase_model: [someone/tiny]\n---\n'),
  );
  expect(over.front).toMatchObject({ base_model: ['someone/tiny'] });
  expect(over.front).not.toHaveProperty('base_model_relation'); // an adapter over what was made of it
});

test('the card of an adapter is for peft', async () => {
  const lora = { rank: 2, on: ['language_model.**.q_proj'] };
  const { written, front, body } = await card({ stages: [stage({ name: 'tune', train: [], lora })] });
  expect(written).toMatch(/adapter$/);
  expect(front).toMatchObject({ library_name: 'peft', tags: ['quintet', 'lora'] });
  expect(front).not.toHaveProperty('model-index');
  expect(body).toContain('PeftModel.from_pretrained');
  // In which file a stage stands is no setting.
  expect(body).not.toMatch(/^ *at:/m);
  expect(body).toContain('The licence of the base is not known to this card.');
});

test('of an architecture that transformers does not know nothing is promised', async () => {
  const { front, body } = await card({ stages: [stage({ name: 'align' })] }, (folder) => {
    const file = join(folder, 'base/config.json');
    const { architectures: _, ...config } = JSON.parse(readFileSync(file, 'utf8')) as Settings;
    writeFileSync(file, JSON.stringify(config));
    writeFileSync(join(folder, 'base/README.md'), '---\nbase_model: []\n---\n');
  });
  expect(front).toMatchObject({ library_name: 'quintet' });
  expect(front).not.toHaveProperty('base_model');
  expect(body).not.toContain('transformers');
});

test('a model whose folder said nothing of generation gets what transformers would derive', async () => {
  const { written } = await card({ stages: [stage({ name: 'align' })] }, (folder) => {
    rmSync(join(folder, 'base/generation_config.json'));
    const file = join(folder, 'base/config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { text_config: Settings };
    const text = { ...config.text_config, eos_token_id: 2, bos_token_id: 1 };
    writeFileSync(file, JSON.stringify({ ...config, pad_token_id: 97, text_config: text }));
  });
  expect(JSON.parse(readFileSync(join(written, 'generation_config.json'), 'utf8'))).toEqual({
    ...{ _from_model_config: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 97 },
  });
});
