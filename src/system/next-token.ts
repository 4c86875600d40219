/**
 * Next-token prediction. Words are scored only where one is learnt: of a conversation about pictures that is a small part, and
 * the scores of a large vocabulary are the largest product and the largest tensor of a step.
 *
 * B rows, T tokens, D width, Q places that are learnt in each of four parts
 */
import { flatten, gather, type Tensor } from '../graph/index.js';
import { type HostArray, ignored, QuintetError } from '../tensor/index.js';
import type { HostArrays, Network } from './network.js';
import { type BalanceOptions, balanced } from './objectives/balance.js';
import type { HostWork, Loss, Objective } from './objectives/objective.js';
import { scoresOf, tokenLoss, type WordOptions, wordsLoss } from './objectives/words.js';
import { isSystem, type System } from './system.js';

/** On the tokens that have a label; of masked words where the network scores its own places. */
export function nextToken(options: NextTokenOptions = {}): Objective {
  return {
    name: 'next-token',
    ...(Object.keys(options).length > 0 ? { settings: { ...options } } : {}),
    host: learntPlaces,
    loss(network, p, batch) {
      const { learnt_places: places, learnt_words: words } = batch;
      const outputs = network.forward(p, batch);
      const withExperts = (loss: Loss): Loss => balanced(network, loss, outputs, options);
      if (!places || !words || !scoresAnywhere(network)) {
        const { logits, labels } = scoresOf(network, outputs, batch, 'next-token prediction');
        return withExperts(wordsLoss(network, logits, labels, options));
      }
      const { part, prefix } = network.backbone;
      const chosen = gather(flatten(outputs.last_hidden as Tensor, 0, 1), places); // [4, Q, D]
      return withExperts(tokenLoss(part.logits(p.at(prefix).shared, chosen), words, options));
    },
  };
}

export interface NextTokenOptions extends WordOptions, BalanceOptions {}

/** Whether a network's hidden states are those of the batch's tokens, place by place, and its head scores any of them. */
function scoresAnywhere(network: Network): network is System {
  if (!isSystem(network)) return false;
  return !network.backbone.part.encoder && !network.outputs.image && network.virtual?.as !== 'words';
}

/** Where words are learnt among all tokens of a batch, and which: the place before each, in parts of which one is scored at a time. */
const learntPlaces: HostWork = {
  fields: {
    learnt_places: { dtype: 'i64', shape: [4, 'Q'] },
    learnt_words: { dtype: 'i64', shape: [4, 'Q'] },
  },
  match({ labels }: HostArrays): HostArrays {
    if (!labels) throw new QuintetError('name', 'next-token prediction needs labels');
    const length = labels.shape.at(-1) as number;
    const places: number[] = [];
    const words: number[] = [];
    for (const [i, label] of (labels.data as BigInt64Array).entries()) {
      if (i % length === 0 || Number(label) === ignored) continue;
      places.push(i - 1);
      words.push(Number(label));
    }
    return { learnt_places: inParts(places, 0), learnt_words: inParts(words, ignored) };
  },
};

/** Numbers as [4, Q], filled up so that few different shapes come. */
function inParts(values: readonly number[], fill: number): HostArray {
  const count = 64 * Math.max(1, Math.ceil(values.length / 64));
  const data = BigInt64Array.from({ length: count }, (_, i) => BigInt(values[i] ?? fill));
  return { dtype: 'i64', shape: [4, count / 4], data };
}
