/**
 * Joins the published parts and what learnt to name into `models/smol`: `npx tsx scripts/smol/compose.ts`. The weights of the
 * language model stay the published blocks, in two files since one would be too large for the repository.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openCheckpoint, readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { namedViewTokens, nameWords, pictureKinds, placeWords } from '../../src/parts/input-projectors/named-views.js';
import { castArray, type HostArray, hostArray } from '../../src/tensor/index.js';
import { ggufTokenizer } from '../../src/text/index.js';
import { colorNames } from '../nano/colors.js';
import { loadArt } from './art.js';
import { smolConfig } from './configuration.js';
import { numberWord } from './nouns.js';
import { readPhotoNames } from './photo-names.js';
import { pictureSide } from './pictures.js';
import { modelFolder, published, workFolder } from './places.js';
import { placeNames } from './questions.js';
import { splitGguf } from './split-gguf.js';

const art = await loadArt();
mkdirSync(modelFolder, { recursive: true });
const place = (name: string): string => join(modelFolder, name);

const half = (array: HostArray): HostArray => castArray(array, 'f16');

const encoder = await readTensors(published.encoder);
const kept = Object.entries(encoder).filter(([name]) => !/^_fc\.|num_batches_tracked$/.test(name));
await writeSafetensors(
  place('vision-tower.safetensors'),
  kept.map(([name, array]) => [name, half(array)]),
);

const language = await openCheckpoint(published.language);
const tokenizer = ggufTokenizer(language.metadata);
const table = await language.read('model.embed_tokens.weight');
const width = table.shape[1] as number;

/** Embeddings of the first tokens of some words; zeros behind the last. */
function wordsOf(words: string, count: number): Float32Array {
  const rows = new Float32Array(count * width);
  for (const [i, id] of tokenizer.encode(` ${words}`, { special: false }).slice(0, count).entries()) {
    rows.set((table.data as Float32Array).subarray(id * width, (id + 1) * width), i * width);
  }
  return rows;
}

function stacked(rows: readonly Float32Array[], shape: readonly number[]): HostArray {
  const data = new Float32Array(rows.length * (rows[0] as Float32Array).length);
  for (const [i, row] of rows.entries()) data.set(row, i * row.length);
  return hostArray('f32', shape, data);
}

const names = ['nothing', ...art.concepts, ...art.flags, ...readPhotoNames().map(({ name }) => name)];
const projector = new Map(Object.entries(await readTensors(join(workFolder, 'names.safetensors'))));
projector.set(
  'names',
  stacked(
    names.map((name) => wordsOf(name, nameWords)),
    [names.length, nameWords, width],
  ),
);
projector.set(
  'everyday',
  stacked(
    readPhotoNames().map(({ general }) => (general === undefined ? new Float32Array(width) : wordsOf(general, 1))),
    [readPhotoNames().length, width],
  ),
);
projector.set(
  'colours',
  stacked(
    colorNames.map((name) => wordsOf(name, 1)),
    [colorNames.length, width],
  ),
);
projector.set(
  'kinds',
  stacked(
    pictureKinds.map((name) => wordsOf(name, 1)),
    [pictureKinds.length, width],
  ),
);
projector.set(
  'places',
  stacked(
    placeNames.map((name) => wordsOf(name, placeWords)),
    [1, placeNames.length, placeWords, width],
  ),
);
const numbers = Array.from({ length: 10 }, (_, count) => numberWord(count));
projector.set(
  'numbers',
  stacked(
    numbers.map((word) => wordsOf(word, 1)),
    [numbers.length, width],
  ),
);
projector.set('offsets', hostArray('f32', [namedViewTokens, width], new Float32Array(namedViewTokens * width)));
await writeSafetensors(
  place('projector.safetensors'),
  [...projector].map(([name, array]) => [name, half(array)]),
);

const files = splitGguf(published.language, place('SmolLM2-135M-Instruct.Q4_1'), 60_000_000);
await language.close();
const write = (name: string, content: unknown): void =>
  writeFileSync(place(name), `${JSON.stringify(content, null, 2)}\n`);
write('model.parts.json', {
  parts: {
    vision_tower: 'vision-tower.safetensors',
    multi_modal_projector: 'projector.safetensors',
    language_model: basename(files[0] as string),
  },
});
write('config.json', await smolConfig(art));
write('preprocessor_config.json', {
  image_processor_type: 'CLIPImageProcessor',
  ...{
    do_resize: true,
    size: { shortest_edge: pictureSide },
    resample: 3,
    do_center_crop: true,
    crop_size: { height: pictureSide, width: pictureSide },
  },
  ...{
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  },
  do_convert_rgb: true,
});
write('generation_config.json', { bos_token_id: 1, eos_token_id: 2, pad_token_id: 2 });
writeFileSync(place('chat_template.jinja'), template());
console.log(`${modelFolder}: ${names.length} names`);

/** With pictures only what is said; without any, the language model's own template. */
function template(): string {
  const own = String(language.metadata.get('tokenizer.chat_template'));
  const said =
    "{%- macro said(content) -%}{%- if content is string -%}{{ content }}{%- else -%}{%- for part in content -%}{%- if part['type'] == 'image' -%}<empty_output>{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}{%- endmacro -%}";
  const looks =
    "{%- set seen = namespace(picture=false) -%}{%- for message in messages -%}{%- if message['content'] is not string -%}{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{%- set seen.picture = true -%}{%- endif -%}{%- endfor -%}{%- endif -%}{%- endfor -%}";
  const system = own
    .replaceAll("message['content']", "said(message['content'])")
    .replace(
      "{% if loop.first and messages[0]['role'] != 'system' %}",
      "{% if loop.first and messages[0]['role'] != 'system' and not seen.picture %}",
    );
  return `${said}${looks}${system}`;
}
