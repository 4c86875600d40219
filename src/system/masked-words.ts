/**
 * Encoders of texts that guess words which were masked.
 *
 * Devlin et al., "BERT", 2019, section 3.1, https://arxiv.org/abs/1810.04805
 *
 * B texts, T tokens, D width, V vocabulary
 */
import type { Tensor } from '../graph/index.js';
import type { Glob, Params } from '../nn/index.js';
import type { Tower } from '../parts/types.js';
import { buffersOf } from './dual-encoder.js';
import type { Network, Renames } from './network.js';
import type { Objective } from './objectives/objective.js';
import { scored, tokenLoss } from './objectives/words.js';
import type { Slot } from './system.js';

export interface MaskedWordsParts {
  readonly name: string;
  readonly paper?: string;
  readonly tower: Slot<Tower>;
  /** Scores of words for the tower's states, [B, T, D] -> [B, T, V]; from the root scope. */
  scores(p: Params, states: Tensor): Tensor;
  /** The tokens that it reads at most. */
  readonly context: number;
  readonly vocab: number;
  readonly renames?: readonly Renames[];
  readonly buffers?: readonly Glob[];
}

export interface MaskedWords extends Network, Pick<MaskedWordsParts, 'vocab'> {
  readonly kind: 'masked-words';
  readonly context: number;
}

/** Outputs: `last_hidden` and `hidden_states/<i>`, `logits` [B, T, V] of the words at each place, the loss of `labels`. */
export function maskedWordsModel({
  name,
  paper,
  tower,
  scores,
  context,
  vocab,
  ...others
}: MaskedWordsParts): MaskedWords {
  const { renames = [], buffers = [] } = others;
  return {
    kind: 'masked-words',
    name,
    ...(paper === undefined ? {} : { paper }),
    ...{ context, vocab, renames, ownPlaces: true },
    inputs: { ...tower.part.inputs, labels: { dtype: 'i64', shape: ['B', 'T'] } },
    buffers: [...buffersOf(tower), ...buffers],
    forward(p, given) {
      const { states, last } = tower.part.forward(p.at(tower.prefix), given);
      const logits = scores(p, last);
      return {
        ...{ last_hidden: last, logits },
        ...Object.fromEntries(states.map((state, i) => [`hidden_states/${i}`, state])),
        ...(given.labels ? { loss: tokenLoss(logits, given.labels).mean } : {}),
      };
    },
  };
}

export const isMaskedWords = (network: Network): network is MaskedWords =>
  'kind' in network && network.kind === 'masked-words';

/** The cross entropy of the words that were masked, or put in the place of others: `labels` [B, T] are -100 elsewhere. */
export function maskedWords(): Objective {
  return {
    name: 'masked-words',
    loss(network, p, batch) {
      const { logits, labels } = scored(network, p, batch, 'guessing masked words');
      return tokenLoss(logits, labels);
    },
  };
}
