/**
 * GILL's mapper, which NExT-GPT took over: a small transformer whose learned queries read the signal tokens' hidden states and
 * become the states of a text encoder.
 *
 * Koh et al., "Generating Images with Multimodal Language Models", 2023, section 3.2, https://arxiv.org/abs/2305.17216;
 * Wu et al., "NExT-GPT", 2023, https://arxiv.org/abs/2309.05519
 *
 * B rows, S signal tokens, D backbone width, Q queries, W width inside
 */
import { add, expand, relu, type Tensor } from '../../graph/index.js';
import { jointAttention, layerNorm, linear, normal, type Params, readHeads } from '../../nn/index.js';
import type { Fields } from '../../tensor/index.js';
import type { OutputProjector } from '../types.js';

export interface MapperConfig {
  /** Tokens of the condition: the length that the text encoder's texts have. */
  readonly queries: number;
  /** Default 512. */
  readonly width?: number;
  /** Blocks that read the hidden states, and as many that write the condition; default 4. */
  readonly depth?: number;
  /** Default 4. */
  readonly heads?: number;
}

export function mapper({ queries, width = 512, depth = 4, heads = 4 }: MapperConfig): OutputProjector {
  return {
    kind: 'output-projector',
    forward(p, hidden, out, words) {
      const transformer = p.at('tfm');
      let memory = linear(p.at('fc'), words ? add(hidden, words) : hidden, width); // [B, S, W]
      for (let i = 0; i < depth; i++) memory = block(transformer.at('encoder', 'layers', i), memory, heads);
      memory = layerNorm(transformer.at('encoder', 'norm'), memory, epsilon);
      const learned = p.get('query_embs', [1, queries, width], normal(1));
      let x = expand(learned, [hidden.dim(0), queries, width]); // [B, Q, W]
      for (let i = 0; i < depth; i++) x = block(transformer.at('decoder', 'layers', i), x, heads, memory);
      return linear(p.at('model'), layerNorm(transformer.at('decoder', 'norm'), x, epsilon), out);
    },
  };
}

/** The configuration in a system's `config.json`. */
export function readMapper(config: Fields): MapperConfig {
  return {
    queries: config.count('num_output_tokens', 77),
    ...readHeads(config, { width: 512, heads: 4 }),
    depth: config.depth('num_hidden_layers', 4),
  };
}

const epsilon = 1e-5;

/** PyTorch's pre-norm block: tokens see each other, then memory where there is one. x [B, T, W] -> [B, T, W] */
function block(p: Params, x: Tensor, heads: number, memory?: Tensor): Tensor {
  const norms = ['norm1', 'norm2', 'norm3'].values();
  const normalised = (t: Tensor): Tensor => layerNorm(p.at(norms.next().value as string), t, epsilon);
  const own = normalised(x);
  let mixed = add(x, jointAttention(p.at('self_attn'), own, own, heads));
  if (memory) mixed = add(mixed, jointAttention(p.at('multihead_attn'), normalised(mixed), memory, heads));
  const width = x.size(-1);
  return add(mixed, linear(p.at('linear2'), relu(linear(p.at('linear1'), normalised(mixed), 4 * width)), width));
}
