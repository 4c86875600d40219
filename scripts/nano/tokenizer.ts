/**
 * Writes nano's folder without weights: `npx tsx scripts/nano/tokenizer.ts [FOLDER]` makes `tokenizer.json`,
 * its configuration, `config.json`, `preprocessor_config.json` and `generation_config.json`.
 *
 * The vocabulary is byte-level BPE, so that any text has tokens, with one token for each word that nano uses.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { learnBpe } from './bpe.js';
import { objects } from './objects.js';
import { everySentence } from './questions.js';
import { pictureSize } from './scene.js';

const special = ['<pad>', '<image>', '<|user|>', '<|assistant|>', '<|end|>'] as const;

/** How GPT-2 cuts text before merging: words with the space before them, and runs of marks. */
const gpt2Words = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

// A picture stands behind the words about it, so that its features are always as far from the answer. Training has single
// questions: of a conversation nano is shown the last one and all pictures.
const template = `{% set asked = messages[-2] if messages[-1]['role'] == 'assistant' else messages[-1] %}\\
<|user|>\\
{% if asked['content'] is string %}{{ asked['content'] }}{% else %}\\
{% for part in asked['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}\\
{% for message in messages %}{% if message['content'] is not string %}{% for part in message['content'] %}\\
{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endif %}{% endfor %}\\
{% if messages[-1]['role'] == 'assistant' %}<|assistant|>{% if messages[-1]['content'] is string %}\\
{{ messages[-1]['content'] }}{% else %}{% for part in messages[-1]['content'] %}\\
{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|end|>\\
{% endif %}{% if add_generation_prompt %}<|assistant|>{% endif %}`;

// A regular plural is the token of the name and an ending: what is counted is looked for by the word that its feature is taught.
const endings = objects
  .filter(({ name, plural }) => plural === `${name}s`)
  .map(({ plural }) => plural.split(' ').at(-1));
const words = new Set(
  everySentence(objects)
    .flatMap((text) => text.match(gpt2Words) ?? [])
    .filter((word) => !endings.includes(word.trim())),
);
const { vocab: learned, merges } = learnBpe(words);
const vocab = Object.fromEntries([...special, ...Object.keys(learned)].map((token, id) => [token, id]));
const added = special.map((content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
}));
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const tokenizer = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: added,
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: null,
  decoder: byteLevel,
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
  },
};

const config = {
  model_type: 'quintet_nano',
  image_token_id: special.indexOf('<image>'),
  projector_hidden_act: 'gelu',
  text_config: {
    model_type: 'llama',
    hidden_size: 192,
    num_hidden_layers: 4,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    intermediate_size: 512,
    vocab_size: Object.keys(vocab).length,
    max_position_embeddings: 1024,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    tie_word_embeddings: true,
    eos_token_id: special.indexOf('<|end|>'),
    pad_token_id: special.indexOf('<pad>'),
  },
  vision_config: {
    model_type: 'quintet_pyramid',
    image_size: pictureSize,
    strides: [4, 2, 3],
    hidden_sizes: [64, 128, 384],
    depths: [1, 3, 2],
  },
};
const preprocessor = {
  image_processor_type: 'LlavaImageProcessor', // pads to a square before it resizes
  do_pad: true,
  do_resize: true,
  size: { height: pictureSize, width: pictureSize },
  resample: 2,
  do_center_crop: false,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.25, 0.25, 0.25],
};

const folder = process.argv[2] ?? join('models', 'nano');
mkdirSync(folder, { recursive: true });
const write = (name: string, value: unknown) =>
  writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
write('tokenizer.json', tokenizer);
write('tokenizer_config.json', {
  tokenizer_class: 'PreTrainedTokenizerFast',
  model_max_length: 1024,
  pad_token: '<pad>',
  eos_token: '<|end|>',
  image_token: '<image>',
  padding_side: 'left',
  clean_up_tokenization_spaces: false,
  chat_template: template.replaceAll('\\\n', ''),
});
write('config.json', config);
write('preprocessor_config.json', preprocessor);
write('generation_config.json', {
  eos_token_id: special.indexOf('<|end|>'),
  pad_token_id: special.indexOf('<pad>'),
  do_sample: false,
  max_new_tokens: 128,
});
console.log(`${folder}: ${Object.keys(vocab).length} tokens, ${words.size} whole words`);
