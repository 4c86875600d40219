/**
 * Gemma 3, the language model: a norm over each head's queries and keys; five layers that see a window to one that sees all
 * tokens, and turns positions more slowly.
 *
 * Gemma Team, "Gemma 3 Technical Report", 2025, https://arxiv.org/abs/2503.19786
 */
import { type RotaryConfig, readRotary } from '../../nn/index.js';
import { type Fields, fields } from '../../tensor/index.js';
import type { Backbone } from '../types.js';
import { type GemmaConfig, gemma, offsetNorm, readCap, readGemma } from './gemma.js';

export interface Gemma3Config extends GemmaConfig {
  /** How layers with the window turn positions. */
  readonly windowedRotary: RotaryConfig;
}

export function gemma3({ windowedRotary, ...config }: Gemma3Config): Backbone {
  const { epsilon = 1e-6 } = config;
  return gemma(config, { windowedRotary, norm: (p, heads) => offsetNorm(p, heads, epsilon) });
}

const defaults = { vocab_size: 262208, max_position_embeddings: 131072 };

/** The configuration in a `config.json` of model_type gemma3_text. The reference caps no scores of attention, whatever a file says. */
export function readGemma3(config: Fields): Gemma3Config {
  const period = config.count('sliding_window_pattern', 6);
  const logitCap = readCap(config, 'final_logit_softcapping');
  return {
    ...readGemma(config, defaults, period),
    rotary: readRotaryOf(config, 'full_attention', config.number('rope_theta', 1e6)),
    windowedRotary: readRotaryOf(config, 'sliding_attention', config.number('rope_local_base_freq', 1e4)),
    ...(logitCap === undefined ? {} : { logitCap }),
  };
}

/**
 * Newer files have `rope_parameters` by the kind of layer; in older ones `rope_scaling` is that of the layers that see all
 * tokens, and each kind has a field for its base.
 */
function readRotaryOf(config: Fields, kind: 'full_attention' | 'sliding_attention', theta: number): RotaryConfig {
  const byKind = config.object('rope_parameters', { optional: true });
  const older = kind === 'full_attention' ? config.object('rope_scaling', { optional: true }).raw : {};
  const parameters = { ...byKind.object(kind, { optional: true }).raw, ...older };
  const own = { rope_theta: theta, rope_parameters: parameters, rope_scaling: null };
  return readRotary(fields({ ...config.raw, ...own }, config.at), {
    context: defaults.max_position_embeddings,
  });
}
