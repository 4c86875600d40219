/** What readers of run files share. */

import { type Fields, QuintetError, refuseUnknown as refuseUnknownNames } from '../../tensor/index.js';

/** What other libraries call settings, and what they are called here. */
const elsewhere: Readonly<Record<string, string>> = {
  ...{ r: 'rank', lora_r: 'rank', lora_alpha: 'alpha', target_modules: 'on', use_rslora: 'rankStabilised' },
  ...{ num_virtual_tokens: 'count', adapter_len: 'count', adapter_layers: 'layers', token_indices: 'ids' },
  ...{ learning_rate: 'lr', weight_decay: 'decay', max_grad_norm: 'clip', lr_scheduler_type: 'schedule' },
  ...{ warmup_steps: 'warmup', warmup_ratio: 'warmup', num_train_epochs: 'epochs', max_steps: 'steps' },
  ...{ per_device_train_batch_size: 'microBatch', gradient_checkpointing: 'recompute', save_steps: 'saveEvery' },
  ...{
    max_length: 'longest',
    max_seq_length: 'longest',
    num_generations: 'answers',
    max_completion_length: 'maxTokens',
  },
};

/** Refuses fields that have none of these names, and says which was perhaps meant. */
export const refuseUnknown = (file: Fields, names: readonly string[]): void =>
  refuseUnknownNames(file, names, { elsewhere });

/** Reads a field that is there. */
export type Read<Value = unknown> = (file: Fields, name: string) => Value;
export type Readers = Readonly<Record<string, Read>>;

export const number: Read = (file, name) => file.number(name);
/** A number that is `within`, or an error that says `expected`. */
const numberThat =
  (expected: string, within: (value: number) => boolean): Read<number> =>
  (file, name) => {
    const value = file.number(name);
    if (within(value)) return value;
    throw new QuintetError('config', `expected ${expected}, got ${value}`, { at: `${file.at}.${name}` });
  };

export const positive = numberThat('a number above 0', (value) => value > 0);
/** What a term of a loss counts, or by how much one is to win. */
export const weight = numberThat('a number from 0 on', (value) => value >= 0);
export const part = numberThat('a part between 0 and 1', (value) => value > 0 && value < 1);
export const share = numberThat('a part from 0 to 1', (value) => value >= 0 && value <= 1);
export const lessThanHalf = numberThat('a part from 0 to less than 0.5', (value) => value >= 0 && value < 0.5);
export const flag: Read = (file, name) => file.flag(name);
export const count: Read = (file, name) => file.count(name);
export const word =
  (...words: readonly string[]): Read =>
  (file, name) =>
    file.choice(name, words);

/** The fields that are there. */
export function given(file: Fields, readers: Readers): Record<string, unknown> {
  const found = Object.entries(readers).filter(([name]) => file.has(name));
  return Object.fromEntries(found.map(([name, read]) => [name, read(file, name)]));
}
