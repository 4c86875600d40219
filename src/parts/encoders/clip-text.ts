/**
 * CLIP's text transformer: causal, read off at the end-of-text token. It is also what Stable Diffusion is conditioned on.
 *
 * Radford et al., 2021, section 2.4, https://arxiv.org/abs/2103.00020
 *
 * B batch, T tokens, D width
 */
import { add, argMax, cast, concat, equal, full, gatherND, range, type Tensor, unsqueeze } from '../../graph/index.js';
import {
  type ActivationName,
  activationOf,
  causalMask,
  embedding,
  encoderBlock,
  layerNorm,
  type Params,
  readHeads,
} from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { Tower, TowerStates } from '../types.js';

export interface ClipTextConfig {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly hidden: number;
  readonly vocab: number;
  /** Default 77. */
  readonly context?: number;
  /** Default quick_gelu. */
  readonly activation?: ActivationName;
  /** Default 1e-5. */
  readonly epsilon?: number;
  /** The id of the end-of-text token; default the last of the vocabulary. */
  readonly end?: number;
}

/** Texts [B, T] to hidden states after the last norm, and the state at the end-of-text token [B, D]. */
export function clipTextTower(config: ClipTextConfig): Tower {
  return {
    kind: 'tower',
    inputs: { input_ids: { dtype: 'i64', shape: ['B', 'T'] }, attention_mask: { dtype: 'i64', shape: ['B', 'T'] } },
    buffers: ['embeddings.position_ids'],
    context: config.context ?? 77,
    width: config.width,
    forward: (p, { input_ids: ids, attention_mask: present }) => clipTextStates(p, ids as Tensor, config, present),
  };
}

/** Below `embeddings`, `encoder` and `final_layer_norm`. Without `present` [B, T] padding is read like any token. */
export function clipTextStates(
  p: Params,
  ids: Tensor,
  config: ClipTextConfig,
  present: Tensor = full('i64', ids.shape, 1),
): Required<TowerStates> {
  const { width, depth, heads, hidden, vocab, context = 77, activation = 'quick_gelu', epsilon = 1e-5 } = config;
  const at = p.at('embeddings');
  const words = embedding(at.at('token_embedding'), ids, [vocab, width]);
  const places = embedding(at.at('position_embedding'), range(0, ids.dim(1)), [context, width]);
  const mask = causalMask(present);
  const states = [add(words, places)];
  for (let i = 0; i < depth; i++) {
    const block = { heads, hidden, activation, epsilon };
    states.push(encoderBlock(p.at('encoder', 'layers', i), states[i] as Tensor, block, mask));
  }
  const last = layerNorm(p.at('final_layer_norm'), states[depth] as Tensor, epsilon);
  const rows = unsqueeze(range(0, ids.dim(0)), 1); // [B, 1]
  const pooled = gatherND(last, concat([rows, unsqueeze(endOf(ids, config), 1)], 1));
  return { states, last, pooled };
}

/**
 * The place of each text's end, [B]. OpenAI's configurations say 2, which is not the id that their tokenizer writes: with
 * them it is the largest id of the text.
 */
function endOf(ids: Tensor, { vocab, end = vocab - 1 }: ClipTextConfig): Tensor {
  return argMax(end === 2 ? cast(ids, 'i32') : cast(equal(ids, end), 'i32'), 1);
}

/** The configuration in a `config.json` of model_type clip_text_model. */
export function readClipText(config: Fields): ClipTextConfig {
  return {
    ...readHeads(config, { width: 512, heads: 8 }),
    depth: config.depth('num_hidden_layers', 12),
    hidden: config.count('intermediate_size', 2048),
    vocab: config.count('vocab_size', 49408),
    context: config.count('max_position_embeddings', 77),
    activation: activationOf(config, 'hidden_act', 'quick_gelu'),
    epsilon: config.number('layer_norm_eps', 1e-5),
    end: config.whole('eos_token_id', 49407),
  };
}
