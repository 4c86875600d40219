/**
 * Pictures and texts that are found by each other and told to belong together, by queries that see and words that are read.
 *
 * Li et al., "BLIP-2", 2023, section 3.2, https://arxiv.org/abs/2301.12597
 *
 * B rows of a picture and a text, N features, E their width, Q queries, T words, D width, R width of the common space
 */
import {
  add,
  argMax,
  concat,
  crossEntropy,
  div,
  equal,
  full,
  gather,
  matmul,
  max,
  mean,
  mul,
  not,
  range,
  select,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../graph/index.js';
import { linear, type Params } from '../nn/index.js';
import type { QueryReader, Text } from '../parts/input-projectors/q-former-reader.js';
import type { Encoder } from '../parts/types.js';
import { ignored, QuintetError } from '../tensor/index.js';
import { normalised } from './dual-encoder.js';
import type { Network, Tensors } from './network.js';
import {
  countedOnce,
  type Mean,
  meanWhere,
  nextTokenLoss,
  type Objective,
  pickedRight,
  pickingLoss,
} from './objectives/index.js';
import type { Stage } from './stage.js';
import type { Slot } from './system.js';

export interface ImageTextParts {
  readonly name: string;
  readonly paper?: string;
  readonly encoder: Slot<Encoder>;
  readonly reader: Slot<QueryReader>;
  /** Width of the space that pictures and texts are compared in. */
  readonly projection: number;
  readonly stages?: readonly Stage[];
}

export interface ImageText extends Network, Pick<ImageTextParts, 'encoder' | 'reader' | 'projection'> {
  readonly kind: 'image-text';
  readonly stages: readonly Stage[];
}

/**
 * Outputs: `image_embeds` [B, Q, R] and `text_embeds` [B, R] of length 1, the cosines `logits_per_image` [B, B] of each picture's
 * best query, and `itm_logits` [B, 2] of each row's picture and text: whether they belong together.
 */
export function imageText({ stages = [], ...parts }: ImageTextParts): ImageText {
  const { image } = parts.encoder.part;
  const result: ImageText = {
    kind: 'image-text',
    ...parts,
    stages,
    context: parts.reader.part.context,
    inputs: {
      pixel_values: { dtype: 'f32', shape: ['B', 3, image, image] },
      input_ids: { dtype: 'i64', shape: ['B', 'T'] },
      attention_mask: { dtype: 'i64', shape: ['B', 'T'] },
    },
    forward: (p, given) => compared(result, p, given).outputs,
  };
  return result;
}

function compared({ encoder, reader, projection, name }: ImageText, p: Params, given: Tensors) {
  const { pixel_values: pixels, input_ids: ids, attention_mask: present } = given;
  if (!pixels || !ids || !present) {
    throw new QuintetError('name', 'pictures are compared with texts: give both, and an attention_mask', { at: name });
  }
  const text: Text = { ids, present };
  const features = encoder.part.forward(p.at(encoder.prefix), pixels, given);
  const { part, prefix } = reader;
  part.declare(p.at(prefix), features, text);
  const at = p.at(prefix).shared;
  const images = normalised(linear(p.at('vision_projection'), part.see(at, features), projection)); // [B, Q, R]
  const texts = normalised(linear(p.at('text_projection'), select(part.read(at, text), 1, 0), projection)); // [B, R]
  const perImage = max(matmul(images, transpose(texts)), [1]); // [B, B]
  const outputs: Record<string, Tensor> = {
    ...{ image_embeds: images, text_embeds: texts },
    ...{ logits_per_image: perImage, logits_per_text: transpose(perImage) },
    itm_logits: judged(part.match(at, features, text), p),
  };
  return { outputs, features, text, at };
}

/** What queries made of pairs [B, Q, D] -> scores of not belonging together and of it [B, 2] */
const judged = (queries: Tensor, p: Params): Tensor => mean(linear(p.at('itm_head'), queries, 2), [1]);

export interface ImageTextWeights {
  /** Of finding each other; default 1. */
  readonly contrast?: number;
  /** Of telling what belongs together from what only looks so; default 1. */
  readonly match?: number;
  /** Of saying the text by what is seen; default 1. */
  readonly caption?: number;
  /** What cosines are divided by; default 0.07. */
  readonly temperature?: number;
  /** Of what is to be found; default 0.1. */
  readonly smoothing?: number;
}

/** BLIP-2's first stage, all of which compares or judges the pairs of a whole batch. */
export function learnImageText(settings: ImageTextWeights = {}): Objective {
  const { contrast = 1, match = 1, caption = 1, temperature = 0.07, smoothing = 0.1 } = settings;
  return {
    name: 'image-text',
    settings: { contrast, match, caption, temperature, smoothing },
    whole: true,
    samples: 'captions',
    loss(network, p, batch) {
      if (!isImageText(network)) {
        throw new QuintetError('unsupported', 'it does not compare pictures with texts', { at: network.name });
      }
      const { outputs, features, text, at } = compared(network, p, batch);
      const { part } = network.reader;
      const scores = div(outputs.logits_per_image as Tensor, temperature);
      const rows = features.dim(0);
      const terms: Record<string, readonly [weight: number, loss: Tensor]> = {
        contrast: [contrast, pickingLoss(scores, smoothing)],
        match: [match, matchingLoss(network, p.shared, { scores, features, text, at })],
      };
      if (caption > 0) {
        const words = part.score(p.at(network.reader.prefix), part.tell(at, features, text));
        terms.caption = [caption, nextTokenLoss(words, where(equal(text.present, 1), text.ids, ignored)).mean];
      }
      const parts = Object.values(terms).map(([weight, loss]) => mul(loss, weight));
      const told = Object.entries(terms).map(([name, [, loss]]): [string, Mean] => [
        `loss/${name}`,
        countedOnce(loss, rows),
      ]);
      return {
        ...countedOnce(
          parts.reduce((a, b) => add(a, b)),
          rows,
        ),
        metrics: { ...Object.fromEntries(told), 'picked/text': pickedRight(scores) },
      };
    },
  };
}

export const isImageText = (network: Network): network is ImageText =>
  'kind' in network && network.kind === 'image-text';

interface Pairs {
  /** [B, B] */
  readonly scores: Tensor;
  readonly features: Tensor;
  readonly text: Text;
  readonly at: Params;
}

/**
 * The pairs themselves belong together; the text that looks most like a picture's own, and the picture that looks most like a
 * text's own, do not. A pair alone, as the last of some samples may be, has no others: it counts once.
 */
function matchingLoss({ reader: { part } }: ImageText, p: Params, { scores, features, text, at }: Pairs): Tensor {
  const places = range(0, scores.dim(0));
  const own = equal(unsqueeze(places, 1), unsqueeze(places, 0));
  const others = where(own, -1e9, scores);
  const [texts, pictures] = [argMax(others, 1), argMax(others, 0)];
  const thrice = (x: Tensor, second: Tensor, third: Tensor): Tensor => concat([x, second, third], 0);
  const seen = thrice(features, features, gather(features, pictures));
  const read = {
    ids: thrice(text.ids, gather(text.ids, texts), text.ids),
    present: thrice(text.present, gather(text.present, texts), text.present),
  };
  const apart = (picked: Tensor): Tensor => where(equal(picked, places), ignored, full('i64', [scores.dim(0)], 0));
  const together = thrice(full('i64', [scores.dim(0)], 1), apart(texts), apart(pictures));
  const losses = crossEntropy(judged(part.match(at, seen, read), p), together);
  const { total, targets } = meanWhere(losses, not(equal(together, ignored)));
  return div(total, targets);
}
