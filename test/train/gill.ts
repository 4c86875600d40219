/** A tiny GILL in a folder of its own: configurations and tokenizers of fixtures, without weights. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

type Json = Record<string, unknown>;

const read = (path: string): Json => JSON.parse(readFileSync(path, 'utf8')) as Json;
const [words, image, count] = [117, 117, 3];
export const signals = Array.from({ length: count }, (_, i) => image + 1 + i);

export const captions = ['a tall tree', 'two birds', 'nothing at all', 'birds in a tree'];
const pictures = ['wide.png', 'alpha.png', 'grey.png', 'two.png'];

function config(): Json {
  const part = (name: string): Json => read(`${fixturePath('conditioning-gradients')}/model/${name}/config.json`);
  const scheduler = read(`${fixturePath('conditioning-gradients')}/model/scheduler/scheduler_config.json`);
  const { vision_config } = read(`${fixturePath('llava')}/model/config.json`);
  return {
    model_type: 'gill',
    ...{
      vision_config,
      text_config: { ...read(`${fixturePath('opt')}/model/config.json`), vocab_size: words + 1 + count },
    },
    mapper_config: { num_output_tokens: 5, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 },
    generator_config: { text_encoder: part('text_encoder'), unet: part('unet'), vae: part('vae'), scheduler },
    ...{ image_tokens: 2, image_token_id: image, signal_token_id: image + 1, signal_tokens: count, projection_dim: 6 },
  };
}

/** OPT's tokenizer with the new words. */
function tokenizer(): Json {
  const own = read(`${fixturePath('opt')}/model/tokenizer.json`);
  const [template] = own.added_tokens as Json[];
  const added = ['<image>', ...signals.map((_, i) => `[IMG${i}]`)].map((content, i) => ({
    ...template,
    id: words + i,
    content,
  }));
  return { ...own, added_tokens: [...(own.added_tokens as Json[]), ...added] };
}

/** The folder, with `base`, four captioned pictures and a run file, whose path is returned. */
export function gillFolder(settings: Json = {}): { readonly folder: string; readonly file: string } {
  const folder = temporaryFolder();
  const base = join(folder, 'base');
  mkdirSync(base);
  const write = (name: string, value: unknown): void => writeFileSync(join(base, name), JSON.stringify(value));
  write('config.json', config());
  write('tokenizer.json', tokenizer());
  cpSync(`${fixturePath('opt')}/model/tokenizer_config.json`, join(base, 'tokenizer_config.json'));
  cpSync(`${fixturePath('llava')}/model/preprocessor_config.json`, join(base, 'preprocessor_config.json'));
  cpSync(`${fixturePath('conditioning-gradients')}/model/tokenizer`, join(base, 'generator_tokenizer'), {
    recursive: true,
  });
  const part = "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}";
  const template = `{% for message in messages %}{% for part in message.content %}${part}{% endfor %}{% endfor %}`;
  writeFileSync(join(base, 'chat_template.jinja'), template);
  for (const name of ['clip', 'llava']) cpSync(`${fixturePath(name)}/media`, folder, { recursive: true });
  const lines = captions.map((caption, i) => `${JSON.stringify({ image: pictures[i], caption })}\n`);
  writeFileSync(join(folder, 'captions.jsonl'), lines.join(''));
  const file = join(folder, 'run.yaml');
  const optimizer = { lr: 2e-2, warmup: 2 };
  const stage = { name: 'align', data: 'captions.jsonl', batch: 4, steps: 30, optimizer, ...settings };
  writeFileSync(file, stringify({ model: './base', fresh: true, output: 'out', seed: 3, stages: [stage] }));
  return { folder, file };
}
