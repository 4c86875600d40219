/**
 * Features named by words: each place of a picture is taught the word for what is there, or several words.
 *
 * B rows with a picture each, N features a picture, T tokens, D width, V vocabulary
 */
import {
  add,
  cast,
  crossEntropy,
  equal,
  full,
  gather,
  gatherElements,
  not,
  range,
  reshape,
  rmsNormalization,
  slice,
  sub,
  sum,
  type Tensor,
  topK,
  where,
} from '../graph/index.js';
import { ignored, productOf, QuintetError } from '../tensor/index.js';
import type { Objective } from './objectives/index.js';
import { imageFeatures, isSystem } from './system.js';

export interface NameFeaturesSettings {
  /** How many words each feature is taught; default 1. */
  readonly words?: number;
}

/**
 * Every feature of a picture as a word: the projector's output at each place is scored by the backbone's own head, and the
 * first N targets of a row name its N features in order, the next N name them again in other words, and so on. It teaches an
 * encoder that begins from nothing what next-token prediction would have to find out through the whole language model, and
 * puts features into the space of embeddings, as NExT-GPT (Wu et al., 2023, https://arxiv.org/abs/2309.05519) does for the
 * other side. What a feature is taught two words for, it becomes about the sum of. One picture a row.
 */
export function nameFeatures({ words = 1 }: NameFeaturesSettings = {}): Objective {
  return {
    name: 'name-features',
    loss(network, p, batch) {
      if (!isSystem(network)) throw new QuintetError('unsupported', 'there is no language model', { at: network.name });
      const { labels } = batch;
      if (!labels) throw new QuintetError('name', 'naming features needs labels', { at: network.name });
      const { part, prefix } = network.backbone;
      // As many pictures as rows: what is counted in pictures becomes counted in rows.
      const features = gather(imageFeatures(network, p, batch), range(0, labels.dim(0))); // [B, N, D]
      const count = features.size(1);
      const places = productOf([labels.dim(0), count]);
      const named = reshape(firstTargets(labels, words * count), [labels.dim(0), words, count]);
      // The embeddings are declared first: a tied head shares them.
      part.embed(p.at(prefix), named);
      // The head is used to normalised states; how large features are is left to the projector.
      const scores = part.logits(p.at(prefix), rmsNormalization(features, full('f32', [part.width], 1), 1e-6));
      const rows = reshape(scores, [places, part.vocab]);
      const losses = Array.from({ length: words }, (_, round) => {
        const own = reshape(slice(named, 1, round, round + 1), [places]);
        return sum(crossEntropy(rows, own, ignored));
      });
      return { total: losses.reduce((a, b) => add(a, b)), targets: sum(cast(not(equal(named, ignored)), 'f32')) };
    },
  };
}

/** The first `count` labels of each row that are targets: [B, T] -> [B, count] */
function firstTargets(labels: Tensor, count: number): Tensor {
  const length = labels.dim(1);
  // The earlier a target, the larger its rank; what is no target ranks last.
  const early = cast(sub(0, range(0, length)), 'f32');
  const ranks = where(equal(labels, ignored), -1e9, early);
  return gatherElements(labels, topK(ranks, count).indices, 1);
}
