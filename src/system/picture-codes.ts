/**
 * Pictures that a backbone draws as codes, one after another as it writes words: Janus.
 *
 * Wu et al., "Janus", 2024, https://arxiv.org/abs/2410.13848
 *
 * B rows, T tokens, N codes a picture, D backbone width, K codes in the book, C latent channels, h by w
 */
import { concat, flatten, full, slice, type Tensor, transpose } from '../graph/index.js';
import { embedding, type Params } from '../nn/index.js';
import type { Quantiser } from '../parts/generators/types.js';
import type { InputProjector, OutputProjector } from '../parts/types.js';
import type { InputType, Tensors } from './network.js';
import type { Slot } from './system.js';

export interface PictureCodeParts {
  readonly generator: Slot<Quantiser>;
  /** What codes look like to the backbone: a table, and what carries its rows to the backbone's width. */
  readonly table: { readonly prefix: string; readonly width: number };
  readonly projector: Slot<InputProjector>;
  /** Hidden states to scores of the next code. */
  readonly head: Slot<OutputProjector>;
  /** The text behind which a picture begins. */
  readonly begin: string;
}

export interface PictureCodes {
  readonly kind: 'codes';
  /** Codes a picture. */
  readonly count: number;
  /** Codes in the book. */
  readonly codes: number;
  /** Height and width of a picture in pixels. */
  readonly image: number;
  readonly begin: string;
  /** Codes [B, N] -> embeddings [B, N, width] */
  embed(p: Params, codes: Tensor, width: number): Tensor;
  /** Hidden states [..., D] -> scores of the next code [..., K] */
  score(p: Params, hidden: Tensor): Tensor;
  /** Pictures [B, 3, image, image] between -1 and 1 -> latents [B, C, h, w] and codes [B, N] */
  encode(p: Params, pixels: Tensor): { readonly latents: Tensor; readonly codes: Tensor };
  /** Codes [B, N] -> latents [B, C, h, w] */
  lookUp(p: Params, codes: Tensor): Tensor;
  /** Latents [B, C, h, w] -> pictures [B, image, image, 3] between -1 and 1 */
  decode(p: Params, latents: Tensor): Tensor;
}

export function pictureCodes({ generator, table, projector, head, begin }: PictureCodeParts): PictureCodes {
  const { part } = generator;
  const side = part.image / part.shrinking;
  return {
    kind: 'codes',
    count: side * side,
    codes: part.codes,
    image: part.image,
    begin,
    embed(p, codes, width) {
      const rows = embedding(p.at(table.prefix), codes, [part.codes, table.width]);
      return projector.part.forward(p.at(projector.prefix), rows, width);
    },
    score: (p, hidden) => head.part.forward(p.at(head.prefix), hidden, part.codes),
    encode(p, pixels) {
      const at = p.at(generator.prefix);
      const latents = part.encode(at, pixels);
      return { latents, codes: part.quantise(at, latents).codes };
    },
    lookUp: (p, codes) => part.lookUp(p.at(generator.prefix), codes, [side, side]),
    decode: (p, latents) => transpose(part.decode(p.at(generator.prefix), latents), [0, 2, 3, 1]),
  };
}

/** What a system with such pictures may be given besides: codes that follow the words of each row, pictures to encode. */
export const codeInputs = ({ count, image }: PictureCodes): Record<string, InputType> => ({
  image_tokens: { dtype: 'i64', shape: ['B', count] },
  vq_pixel_values: { dtype: 'f32', shape: ['B', 3, image, image] },
});

/** What such pictures give without any words. */
export function codeOutputs(codes: PictureCodes, p: Params, given: Tensors, width: number): Record<string, Tensor> {
  const { image_tokens: ids, vq_pixel_values: pixels } = given;
  const outputs: Record<string, Tensor> = {};
  if (pixels) {
    const encoded = codes.encode(p, pixels);
    Object.assign(outputs, { vq_latent: encoded.latents, vq_tokens: flatten(encoded.codes, 0, 1) });
  }
  if (ids) {
    outputs.generation_embeddings = codes.embed(p, ids, width);
    // The book that pictures were encoded by.
    outputs.decoded_pixels = codes.decode(p, codes.lookUp(pixels ? p.shared : p, ids));
  }
  return outputs;
}

/** Words [B, T, D] with a picture's codes [B, N, D] behind them, and which of them are there: present [B, T] -> [B, T+N] */
export function behind(words: Tensor, codes: Tensor, present: Tensor): readonly [embeddings: Tensor, present: Tensor] {
  const drawn = full('i64', codes.shape.slice(0, 2), 1);
  return [concat([words, codes], 1), concat([present, drawn], 1)];
}

/** Scores of codes behind every word, and behind the codes that follow where there are some. hidden [B, T+N, D] */
export function codeScores(codes: PictureCodes, p: Params, hidden: Tensor, words: Tensor): Record<string, Tensor> {
  const scores = codes.score(p, hidden);
  if (hidden === words) return { generation_logits: scores };
  return { generation_logits: slice(scores, 1, 0, words.dim(1)), teacher_logits: scores };
}
