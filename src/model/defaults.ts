/** What a model's own files say about generation. */

import type { System } from '../system/index.js';
import { type Fields, fields } from '../tensor/index.js';
import type { GenerateOptions } from './generate.js';
import type { Model } from './model.js';

/** The settings in `generation_config.json`; ids that end a text may stand in `config.json` instead. */
export function generationDefaults({ files }: Model<System>): GenerateOptions {
  const settings = fields(files?.generationConfig ?? {}, 'generation_config.json');
  const config = fields(files?.config ?? {}, 'config.json');
  const places = [settings, config, config.object('text_config', { optional: true })];
  const found = places.find((place) => place.has('eos_token_id'));
  const ends = found ? idsOf(found) : [];
  const longest = settings.has('max_new_tokens') ? { maxTokens: settings.whole('max_new_tokens') } : {};
  const common = { stopIds: ends, ...longest, ...penaltiesOf(settings) };
  if (!settings.flag('do_sample', false)) return common;
  return {
    ...common,
    temperature: settings.number('temperature', 1),
    topK: settings.whole('top_k', 50),
    topP: settings.number('top_p', 1),
    minP: settings.number('min_p', 0),
  };
}

function penaltiesOf(settings: Fields) {
  return {
    repetitionPenalty: settings.number('repetition_penalty', 1),
    noRepeatNgram: Math.max(0, settings.whole('no_repeat_ngram_size', 0)),
  } satisfies GenerateOptions;
}

/** `eos_token_id` is one id or a list. */
function idsOf(place: Fields): readonly number[] {
  return Array.isArray(place.raw.eos_token_id) ? place.numbers('eos_token_id') : [place.whole('eos_token_id')];
}

/** The id of a token with a role, where the files say it: `text_config` speaks where there are no settings of generation. */
export function specialId({ files }: Model, name: 'bos_token_id' | 'pad_token_id'): number | undefined {
  const { generationConfig, config = {} } = files ?? {};
  const inner = fields(config, 'config.json').object('text_config', { optional: true }).raw;
  for (const file of [generationConfig, config, generationConfig ? undefined : inner]) {
    const id = file?.[name];
    if (typeof id === 'number') return id;
  }
  return undefined;
}
