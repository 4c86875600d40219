/**
 * Features named by words: each place of a picture is taught the word for what is there, or several words.
 *
 * B rows with a picture each, N features a picture, W words a feature, T tokens, D width, V vocabulary
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
import { ignored, productOf, QuintetError, toNumbers } from '../tensor/index.js';
import type { HostArrays, Network } from './network.js';
import type { Objective } from './objectives/index.js';
import { imageFeatures, isSystem } from './system.js';

/** Each word has a part of the graph. */
const mostWords = 64;

export interface NameFeaturesSettings {
  /** How many words each feature is taught; default 1. */
  readonly words?: number;
}

/**
 * Every feature of a picture as words: the projector's output at each place is scored by the backbone's own head. The first N
 * targets of a row name its N features in order, the next N name them again by other words, and so on. It teaches an encoder
 * that begins from nothing what next-token prediction would have to find out through the whole language model, and puts
 * features into the space of embeddings, as NExT-GPT (Wu et al., 2023, https://arxiv.org/abs/2309.05519) does for the other
 * side. A feature is held to all of its words at once, so that each gets a part of the probability. Throws 'config' where
 * `words` is no number of words, and 'data' where a row has not one picture, or fewer targets than words to teach.
 */
export function nameFeatures({ words = 1 }: NameFeaturesSettings = {}): Objective {
  if (!(Number.isInteger(words) && words > 0 && words <= mostWords)) {
    const why = `expected each feature to be taught 1 to ${mostWords} words, got ${words}`;
    throw new QuintetError('config', why, { at: 'words' });
  }
  return {
    name: 'name-features',
    settings: { words },
    alone: true,
    host: { fields: {}, match: (batch, network) => checkRows(batch, network, words) },
    loss(network, p, batch) {
      if (!isSystem(network)) throw new QuintetError('unsupported', 'there is no language model', { at: network.name });
      const { labels } = batch;
      if (!labels) throw new QuintetError('name', 'naming features needs labels', { at: network.name });
      const { part, prefix } = network.backbone;
      // As many pictures as rows: what is counted in pictures becomes counted in rows.
      const features = gather(imageFeatures(network, p, batch), range(0, labels.dim(0))); // [B, N, D]
      const perPicture = features.size(1);
      const named = reshape(firstTargets(labels, words * perPicture), [labels.dim(0), words, perPicture]); // [B, W, N]
      // The embeddings are declared first: a tied head shares them.
      part.embed(p.at(prefix), named);
      // The head is used to normalised states; how large features are is left to the projector.
      const normalised = rmsNormalization(features, full('f32', [part.width], 1), 1e-6);
      const places = productOf([labels.dim(0), perPicture]);
      const scores = reshape(part.logits(p.at(prefix), normalised), [places, part.vocab]); // [B * N, V]
      const losses = Array.from({ length: words }, (_, word) => {
        const taught = reshape(slice(named, 1, word, word + 1), [places]);
        return sum(crossEntropy(scores, taught, ignored));
      });
      return { total: losses.reduce((a, b) => add(a, b)), targets: sum(cast(not(equal(named, ignored)), 'f32')) };
    },
  };
}

/** Throws 'data' where a row has not one picture, or too few targets. Finds nothing else out. */
function checkRows(batch: HostArrays, network: Network, words: number): HostArrays {
  const { input_ids: ids, labels } = batch;
  if (!isSystem(network) || !ids || !labels) return {};
  const [rows, length] = labels.shape as readonly [number, number];
  const at = 'name-features';
  // Features that are kept come in the place of pictures.
  const pictures = batch.pixel_values?.shape[0] ?? rows;
  if (pictures !== rows) {
    const hint = 'Each sample is about one picture';
    throw new QuintetError('data', `${pictures} pictures in ${rows} rows`, { at, hint });
  }
  const [tokens, targets] = [toNumbers(ids), toNumbers(labels)];
  for (let row = 0; row < rows; row++) {
    const own = (values: readonly number[]) => values.slice(row * length, (row + 1) * length);
    const features = own(tokens).filter((id) => id === network.image?.token).length;
    const named = own(targets).filter((label) => label !== ignored).length;
    if (features === 0) throw new QuintetError('data', 'a sample without a picture', { at });
    if (named >= words * features) continue;
    const hint = 'An answer names all features by one token each, in order, and so on for further words';
    throw new QuintetError('data', `${named} tokens to name ${features} features by, ${words} each`, { at, hint });
  }
  return {};
}

/** The first `count` labels of each row that are targets: [B, T] -> [B, count] */
function firstTargets(labels: Tensor, count: number): Tensor {
  const length = labels.dim(1);
  // The earlier a target, the larger its rank; what is no target ranks last.
  const early = cast(sub(0, range(0, length)), 'f32');
  const ranks = where(equal(labels, ignored), -1e9, early);
  return gatherElements(labels, topK(ranks, count).indices, 1);
}
