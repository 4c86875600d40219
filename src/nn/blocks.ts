/**
 * Blocks that several families share under the same checkpoint names.
 *
 * B batch, C channels, P patches, T tokens, D width
 */
import { add, flatten, matmul, slice, type Tensor, transpose } from '../graph/index.js';
import { type ActivationName, activations } from './activations.js';
import { attend } from './attention.js';
import { zeroed } from './init.js';
import { convolution, layerNorm, linear, queriesKeysValues } from './layers.js';
import type { Params } from './params.js';

export interface EncoderBlockConfig {
  readonly heads: number;
  /** Width between the two layers of the perceptron. */
  readonly hidden: number;
  readonly activation: ActivationName;
  readonly epsilon: number;
  /** What the projection after attention is called; default `out_proj`. */
  readonly outName?: string;
  /** Whether queries, keys and values have biases; default true. */
  readonly bias?: boolean;
}

export interface PatchConfig {
  /** Edge in pixels. */
  readonly patch: number;
  /** Default true. */
  readonly bias?: boolean;
}

/** Square patches, row by row, each as a vector: `patch_embedding`. pixels [B, C, height, width] -> [B, P, width] */
export function patchEmbedding(p: Params, pixels: Tensor, width: number, { patch, bias = true }: PatchConfig): Tensor {
  const grid = convolution(p.at('patch_embedding'), pixels, width, { kernel: patch, stride: patch, bias });
  return transpose(flatten(grid, 2, 3), [0, 2, 1]);
}

/** The pre-norm transformer block of CLIP and SigLIP. x [B, T, D] -> [B, T, D] */
export function encoderBlock(p: Params, x: Tensor, config: EncoderBlockConfig, mask: Tensor | null = null): Tensor {
  const { heads, hidden, activation, epsilon, outName = 'out_proj', bias = true } = config;
  const width = x.size(-1);
  const attention = p.at('self_attn');
  const seen = layerNorm(p.at('layer_norm1'), x, epsilon);
  const [q, k, v] = queriesKeysValues(attention, seen, width, { bias });
  const mixed = add(x, linear(attention.at(outName), attend(q, k, v, { heads, mask }), width));
  return add(mixed, mlp(p.at('mlp'), layerNorm(p.at('layer_norm2'), mixed, epsilon), hidden, activation));
}

/** Two linear layers around an activation: `fc1`, `fc2`. x [..., D] -> [..., D] */
export function mlp(p: Params, x: Tensor, hidden: number, activation: ActivationName): Tensor {
  return linear(p.at('fc2'), activations[activation](linear(p.at('fc1'), x, hidden)), x.size(-1));
}

/**
 * Attention as PyTorch's `MultiheadAttention` stores it: queries, keys and values in one matrix `in_proj_weight` [3 D, D].
 * x [B, T, D] looks at memory [B, S, D] -> [B, T, D]
 */
export function jointAttention(p: Params, x: Tensor, memory: Tensor, heads: number): Tensor {
  const width = x.size(-1);
  const weight = p.get('in_proj_weight', [3 * width, width]);
  const bias = p.get('in_proj_bias', [3 * width], zeroed);
  const part = (t: Tensor, i: number): Tensor => {
    const rows = (whole: Tensor): Tensor => slice(whole, 0, i * width, (i + 1) * width);
    return add(matmul(t, transpose(rows(weight))), rows(bias));
  };
  return linear(p.at('out_proj'), attend(part(x, 0), part(memory, 1), part(memory, 2), { heads }), width);
}
