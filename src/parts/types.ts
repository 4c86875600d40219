/**
 * The kinds of parts that a system is composed of. Each is a record of pure functions over a scope.
 *
 * B batch, T tokens, N features a picture, E encoder width, D backbone width
 */
import type { Tensor } from '../graph/index.js';
import type { AnglesBy, Params } from '../nn/index.js';
import type { DType, Shape } from '../tensor/index.js';

/** Pictures, sounds or frames to features. */
export interface Encoder {
  readonly kind: 'encoder';
  /** Pictures [B, 3, height, width] -> features [B, N, E]. Some encoders look at further inputs, by their names. */
  forward(p: Params, pixels: Tensor, inputs: Readonly<Record<string, Tensor>>): Tensor;
  /** The size of picture that it takes, in pixels. */
  readonly image: number;
  /** Tensors of published files that are no parameters, as patterns below the part's prefix. */
  readonly buffers?: readonly string[];
}

/** Features to what the backbone reads. */
export interface InputProjector {
  readonly kind: 'input-projector';
  /** Features [B, N, E] -> [B, N', width]. */
  forward(p: Params, features: Tensor, width: number): Tensor;
}

/** What a backbone is given besides embeddings: where its tokens stand, and how they attend. */
export interface Context {
  /** Each token's place in its row, i64 [B, T]. */
  readonly positions: Tensor;
  /** Tokens of the longest row once all that is read together is read, i64; default one more than the largest position. */
  readonly length?: Tensor;
  /** Causal attention in layer `layer`. q [B, T, H*K], k and v [B, T, G*K] -> [B, T, H*K] */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, options: ContextAttention): Tensor;
  /** Of an encoder-decoder: what its encoder gave. */
  readonly memory?: Memory;
  /** Told of the scores [B, T, X] by which a layer chooses among X experts, where there are any. */
  readonly onRouted?: (layer: number, scores: Tensor) => void;
}

export interface ContextAttention {
  readonly heads: number;
  readonly kvHeads: number;
  /** Default: 1 / sqrt(K). */
  readonly scale?: number;
  /** How many tokens each one sees, itself among them; default all. */
  readonly window?: number;
  /** What scores level off at, in both directions; default nothing. */
  readonly softcap?: number;
  /** What is added to the scores, by how many places keys lie before their query: i64 [..., T, S] -> [..., H, T, S]. */
  readonly bias?: (distances: Tensor) => Tensor;
}

/** What an encoder gave, as a decoder looks at it. */
export interface Memory {
  /**
   * Attention of layer `layer` to the encoder's states [B, S, D], of which `read` makes keys and values [B, S, G*K]: once,
   * however many tokens are written. q [B, T, H*K] -> [B, T, H*K]
   */
  attend(layer: number, q: Tensor, read: MemoryReader, options: MemoryAttention): Tensor;
}

type MemoryAttention = Omit<ContextAttention, 'bias' | 'softcap' | 'window'>;

export type MemoryReader = (states: Tensor) => readonly [keys: Tensor, values: Tensor];

/** The encoder of an encoder-decoder. What a system splices into its text, it splices in here. */
export interface BackboneEncoder {
  /** Embeddings [B, S, D], of which `present` [B, S] are real -> states [B, S, D]. */
  encode(p: Params, embeddings: Tensor, present: Tensor): Tensor;
  /** The id that every answer begins behind. */
  readonly start: number;
  /** The id that stands before the decoder where there is nothing to learn. */
  readonly pad: number;
}

/** The language model. */
export interface Backbone {
  readonly kind: 'backbone';
  readonly width: number;
  readonly vocab: number;
  readonly depth: number;
  /** Ids [B, T] -> embeddings [B, T, D]. */
  embed(p: Params, ids: Tensor): Tensor;
  /** Of an encoder-decoder, whose `forward` is the decoder; it reads the encoder's states through `context.memory`. */
  readonly encoder?: BackboneEncoder;
  /** Embeddings [B, T, D] -> hidden states after the last norm [B, T, D]. */
  forward(p: Params, embeddings: Tensor, context: Context): Tensor;
  /** Hidden states [..., D] -> scores of the next token [..., vocab]. */
  logits(p: Params, hidden: Tensor): Tensor;
  readonly experts?: Experts;
  /** Whether `logits` rates the text up to each token instead, by one number. */
  readonly rates?: boolean;
  /** The longest context that positions are known for, in tokens; infinite where they are relative. */
  readonly context: number;
  /** Where tokens are turned by the length of what is read with them: by what of it. Absent where they are alike at any. */
  readonly anglesBy?: AnglesBy;
  /** Whether all that was read is read again where an answer crosses from one of them to another; default false. */
  readonly readsAgain?: boolean;
  readonly buffers?: readonly string[];
}

/** Perceptrons of which each token is sent to some. */
export interface Experts {
  /** How many a token is sent to. */
  readonly chosen: number;
  /** The weight in training of how unevenly they are asked, where a configuration says that it counts; default 0. */
  readonly balance: number;
}

/** Hidden states of the backbone to what a generator is conditioned on. */
export interface OutputProjector {
  readonly kind: 'output-projector';
  /** Hidden states [..., T, D] -> conditions [..., T', width]. Some look at the same tokens' embeddings too, `words`. */
  forward(p: Params, hidden: Tensor, width: number, words?: Tensor): Tensor;
}

/** One side of a dual encoder: pictures or texts to hidden states and one vector each. */
export interface Tower {
  readonly kind: 'tower';
  /** What it looks at. */
  readonly inputs: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>;
  /** The longest text that positions are known for, in tokens. */
  readonly context?: number;
  /** Width of its vectors. */
  readonly width: number;
  forward(p: Params, inputs: Readonly<Record<string, Tensor>>): TowerStates;
  readonly buffers?: readonly string[];
}

export interface TowerStates {
  /** From the embeddings to the last block's output, [B, T, D] each. */
  readonly states: readonly Tensor[];
  /** What the family calls the last hidden state: of most after the last norm, of CLIP's pictures before it. */
  readonly last: Tensor;
  /** One vector for the whole input, [B, width]; not of towers without a pooling head. */
  readonly pooled?: Tensor;
}
