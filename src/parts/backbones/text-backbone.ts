/** Language models by the `model_type` of a published text configuration: what a system may have within. */

import { type Fields, nearest, QuintetError } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { gemma2, readGemma2 } from './gemma2.js';
import { gemma3, readGemma3 } from './gemma3.js';
import { gpt2, readGpt2 } from './gpt2.js';
import { llama, readLlama } from './llama.js';
import { mistral, readMistral } from './mistral.js';
import { mixtral, readMixtral } from './mixtral.js';
import { opt, readOpt } from './opt.js';
import { phi3, readPhi3 } from './phi3.js';
import { qwen2, readQwen2 } from './qwen2.js';
import { qwen3, readQwen3 } from './qwen3.js';
import { readT5, t5 } from './t5.js';

/** What a system's own configuration says of its language model. */
interface Decided {
  /** Whether the head is the embedding table. */
  readonly tied?: boolean;
}

type Family = (config: Fields, decided: Decided, names?: Iterable<string>) => Backbone;

/** They read and write one text. */
const decoderFamilies = {
  gemma2: (config, decided) => gemma2({ ...readGemma2(config), ...decided }),
  gemma3_text: (config, decided) => gemma3({ ...readGemma3(config), ...decided }),
  gpt2: (config, decided) => gpt2({ ...readGpt2(config), ...decided }),
  llama: (config, decided) => llama({ ...readLlama(config), ...decided }),
  mistral: (config, decided) => mistral({ ...readMistral(config), ...decided }),
  mixtral: (config, decided) => mixtral({ ...readMixtral(config), ...decided }),
  opt: (config, decided) => opt({ ...readOpt(config), ...decided }),
  phi3: (config, decided) => phi3({ ...readPhi3(config), ...decided }),
  qwen2: (config, decided) => qwen2({ ...readQwen2(config), ...decided }),
  qwen3: (config, decided) => qwen3({ ...readQwen3(config), ...decided }),
} as const satisfies Readonly<Record<string, Family>>;

export type TextFamily = keyof typeof decoderFamilies | 't5';

const families: Readonly<Record<TextFamily, Family>> = {
  ...decoderFamilies,
  t5: (config, decided, names) => t5({ ...readT5(config, names), ...decided }),
};

/** Every family but encoder-decoders. */
export const decoders = Object.keys(decoderFamilies) as (keyof typeof decoderFamilies)[];

export interface TextOptions extends Decided {
  /** The families that the system may have within. */
  readonly takes: readonly TextFamily[];
  /** Which it is where the configuration has no `model_type`; default llama, as in transformers. */
  readonly otherwise?: TextFamily;
  /** Those of the system's tensors, where they are known. */
  readonly names?: Iterable<string> | undefined;
}

/** The language model of a `text_config`. One of a family that the system does not take is refused, however alike. */
export function textBackboneOf(
  config: Fields,
  { takes, otherwise = 'llama', names, ...decided }: TextOptions,
): Backbone {
  const type = config.text('model_type', otherwise);
  const family = takes.find((name) => name === type);
  if (family) return families[family](config, decided, names);
  const guess = nearest(type, takes);
  throw new QuintetError(
    'unsupported',
    `no language model is known here for model_type "${type}"${guess ? `; the nearest is "${guess}"` : ''}`,
    { at: config.at, hint: `known: ${takes.join(', ')}` },
  );
}
