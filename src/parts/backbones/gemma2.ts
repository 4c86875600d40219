/**
 * Gemma 2: every other layer sees a window of tokens; the scores of attention and of tokens level off.
 *
 * Gemma Team, "Gemma 2: Improving Open Language Models at a Practical Size", 2024, https://arxiv.org/abs/2408.00118
 */
import type { Fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type GemmaConfig, gemma, readCap, readGemma } from './gemma.js';

export interface Gemma2Config extends GemmaConfig {
  /** What the scores of attention level off at; default nothing. */
  readonly attentionCap?: number;
}

export function gemma2({ attentionCap: softcap, ...config }: Gemma2Config): Backbone {
  return gemma(config, softcap === undefined ? {} : { softcap });
}

const defaults = { vocab_size: 256000, max_position_embeddings: 8192 };

/** The configuration in a `config.json` of model_type gemma2. */
export function readGemma2(config: Fields): Gemma2Config {
  const attentionCap = readCap(config, 'attn_logit_softcapping', 50);
  const logitCap = readCap(config, 'final_logit_softcapping', 30);
  return {
    ...readGemma(config, defaults, 2),
    ...(attentionCap === undefined ? {} : { attentionCap }),
    ...(logitCap === undefined ? {} : { logitCap }),
  };
}
