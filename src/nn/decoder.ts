/**
 * The two halves of a block as LLaMA and its relatives have them, under the names of their checkpoints.
 *
 * B batch, T tokens, D width, H heads, G key-value heads, K head width
 */
import { add, cast, div, equal, mul, reshape, slice, softmax, split, sum, type Tensor, topK } from '../graph/index.js';
import { type ActivationName, activations } from './activations.js';
import { linear, linears, queriesKeysValues } from './layers.js';
import type { Params } from './params.js';
import { type Angles, rotate } from './rotary.js';

export interface RotaryAttentionOptions {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly angles: Angles;
  /** q [B, T, H*K], k and v [B, T, G*K] -> [B, T, H*K] */
  attend(q: Tensor, k: Tensor, v: Tensor): Tensor;
  /** Whether queries, keys and values have biases; default false. */
  readonly bias?: boolean;
  /** Whether the projection after attention has one; default as `bias`. */
  readonly outBias?: boolean;
  /** Whether queries, keys and values are rows of one matrix, `qkv_proj`; default false. */
  readonly joint?: boolean;
  /** What is done to each head's queries and keys before they are turned: [B, T, H, K], by the scope `q_norm` or `k_norm`. */
  readonly norm?: (p: Params, heads: Tensor) => Tensor;
}

/** x [B, T, D] -> [B, T, D] */
export function rotaryAttention(p: Params, x: Tensor, options: RotaryAttentionOptions): Tensor {
  const { heads, kvHeads, angles, attend, bias = false, outBias = bias, norm } = options;
  const [q, k, v] = projections(p, x, options);
  const turned = (part: Tensor, name: string, count: number): Tensor =>
    rotate(norm ? eachHead(part, count, (heads) => norm(p.at(name), heads)) : part, angles, count);
  const mixed = attend(turned(q, 'q_norm', heads), turned(k, 'k_norm', kvHeads), v);
  return linear(p.at('o_proj'), mixed, x.size(-1), { bias: outBias });
}

function projections(
  p: Params,
  x: Tensor,
  { heads, kvHeads, headWidth, bias = false, joint = false }: RotaryAttentionOptions,
): readonly [q: Tensor, k: Tensor, v: Tensor] {
  const [whole, part] = [heads * headWidth, kvHeads * headWidth];
  if (!joint) return queriesKeysValues(p, x, whole, { kvOut: part, bias });
  const all = linear(p.at('qkv_proj'), x, whole + 2 * part, { bias });
  const from = (start: number, width: number): Tensor => slice(all, 2, start, start + width);
  return [from(0, whole), from(whole, part), from(whole + part, part)];
}

/** What `change` makes of x [B, T, H*K] as [B, T, H, K]. */
function eachHead(x: Tensor, heads: number, change: (heads: Tensor) => Tensor): Tensor {
  return reshape(change(reshape(x, [x.dim(0), x.dim(1), heads, x.size(2) / heads])), x.shape);
}

export interface GatedPerceptronOptions {
  /** Width within. */
  readonly hidden: number;
  readonly activation: ActivationName;
  /** Default false. */
  readonly bias?: boolean;
  /** Whether gate and up are rows of one matrix, `gate_up_proj`; default false. */
  readonly joint?: boolean;
}

/** down(activation(gate x) · up x): Shazeer, "GLU Variants Improve Transformer", 2020. x [..., D] -> [..., D] */
export function gatedPerceptron(
  p: Params,
  x: Tensor,
  { hidden, activation, bias = false, joint = false }: GatedPerceptronOptions,
): Tensor {
  const [gate, up] = joint
    ? split(linear(p.at('gate_up_proj'), x, 2 * hidden, { bias }), 2, -1)
    : linears(
        p,
        x,
        [
          ['gate_proj', hidden],
          ['up_proj', hidden],
        ],
        { bias },
      );
  const opened = mul(activations[activation](gate as Tensor), up as Tensor);
  return linear(p.at('down_proj'), opened, x.size(-1), { bias });
}

export interface SparsePerceptronOptions extends GatedPerceptronOptions {
  readonly experts: number;
  /** How many of them each token is sent to. */
  readonly chosen: number;
  /** Told of the scores [..., experts] by which they are chosen. */
  readonly onScores?: ((scores: Tensor) => void) | undefined;
}

/**
 * Gated perceptrons `experts.N` (w1 the gate, w3 up, w2 down), of which `gate` chooses some for each token; their results
 * are weighed by its scores, softmax over the chosen ones. Every expert is computed for every token, and counts nothing
 * where it was not chosen: how many tokens choose an expert is not known before the graph runs. Shazeer et al.,
 * "Outrageously Large Neural Networks", 2017, https://arxiv.org/abs/1701.06538. x [B, T, D] -> [B, T, D]
 */
export function sparsePerceptron(p: Params, x: Tensor, options: SparsePerceptronOptions): Tensor {
  const { experts, chosen, hidden, activation, onScores } = options;
  const scores = linear(p.at('gate'), x, experts, { bias: false });
  onScores?.(scores);
  const { values, indices } = topK(softmax(scores), chosen);
  const shares = div(values, sum(values, [-1], { keep: true })); // [B, T, chosen]
  const weighed = Array.from({ length: experts }, (_, expert) => {
    const at = p.at('experts', expert);
    const layers = [
      ['w1', hidden],
      ['w3', hidden],
    ] as const;
    const [gate, up] = linears(at, x, layers, { bias: false }) as [Tensor, Tensor];
    const result = linear(at.at('w2'), mul(activations[activation](gate), up), x.size(-1), { bias: false });
    const share = sum(mul(shares, cast(equal(indices, expert), 'f32')), [-1], { keep: true });
    return mul(result, share);
  });
  return weighed.reduce((all, one) => add(all, one));
}
