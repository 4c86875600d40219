/**
 * Systems that rate texts instead of writing them: in place of scores of words, one number a token, of which that of a text's
 * last token counts.
 *
 * Ouyang et al., "Training language models to follow instructions", 2022, section 3.5, https://arxiv.org/abs/2203.02155
 *
 * B texts, T tokens, P pairs, D width
 */
import {
  add,
  cast,
  cumSum,
  equal,
  greater,
  mul,
  neg,
  select,
  slice,
  softplus,
  sub,
  sum,
  type Tensor,
} from '../graph/index.js';
import { linear, normal, type Params } from '../nn/index.js';
import type { Backbone } from '../parts/types.js';
import { QuintetError } from '../tensor/index.js';
import type { Network, Tensors } from './network.js';
import { meanOf, type Objective } from './objectives/objective.js';
import { difference, pairInputs, sidesOf } from './objectives/preference.js';
import { isSystem, type System, slot, system } from './system.js';

const head = 'score';

/** The system with a head that rates, under the name it has in transformers' classes for sequence classification. */
export function rewardSystem(base: System): System {
  const { name, paper, image, outputs, backbone, stages, renames = [], buffers = [] } = base;
  if (backbone.part.rates) return base;
  if (backbone.part.encoder || outputs.image) {
    const why = outputs.image ? 'gives pictures' : 'reads with an encoder';
    throw new QuintetError('unsupported', `${name} ${why}: a reward model reads with its language backbone alone`);
  }
  const part: Backbone = {
    ...backbone.part,
    rates: true,
    logits: (p, hidden) => linear(p.at(head), hidden, 1, { bias: false, init: normal(0.02) }),
  };
  const own = system({
    ...{ name, stages, renames, buffers },
    ...(paper === undefined ? {} : { paper }),
    ...(image ? { inputs: { image } } : {}),
    backbone: slot(part, { prefix: backbone.prefix }),
  });
  return {
    ...own,
    forward(p, given) {
      const outputs = own.forward(p, withoutLabels(given));
      return given.attention_mask
        ? { ...outputs, score: lastOf(outputs.logits as Tensor, given.attention_mask) }
        : outputs;
    },
  };
}

/** The layer that a reward model has in place of the head for words. */
export function ratingLayer({ backbone: { prefix } }: System): string {
  return prefix === '' ? head : `${prefix}.${head}`;
}

/** Whether a network rates texts. */
export const isRewardSystem = (network: Network): boolean => isSystem(network) && network.backbone.part.rates === true;

/** How a reward model rates the texts of a batch [B]. */
export function ratings(network: Network, p: Params, batch: Tensors): Tensor {
  if (!isSystem(network) || !isRewardSystem(network)) {
    throw new QuintetError('unsupported', 'it rates no texts', {
      at: network.name,
      hint: 'make a reward model of it: rewardModel(model)',
    });
  }
  const { logits } = network.forward(p, withoutLabels(batch));
  const { virtual } = network;
  const own = virtual?.as === 'words' ? slice(logits as Tensor, 1, virtual.count) : (logits as Tensor);
  return lastOf(own, batch.attention_mask as Tensor);
}

/** Numbers [B, T, 1] at the last token that is `present` [B, T], wherever padding lies: [B] */
function lastOf(numbers: Tensor, present: Tensor): Tensor {
  const isLast = equal(cumSum(present, 1), sum(present, [1], { keep: true })); // nor is padding behind it present
  const weights = mul(cast(isLast, 'f32'), cast(present, 'f32'));
  return sum(mul(select(numbers, 2, 0), weights), [1]);
}

/** Labels are words: here there is nothing to compare them with. */
function withoutLabels({ labels: _, ...others }: Tensors): Tensors {
  return others;
}

export interface RewardSettings {
  /**
   * Weight of the square of what both answers are worth together, which holds ratings near 0: Eisenstein et al., "Helping or
   * Herding?", 2023, section 2; default 0.
   */
  readonly center?: number;
}

/**
 * Of two answers to one prompt the chosen one is rated higher, by the pair's margin: Ouyang et al., equation 1; with margins:
 * Touvron et al., "Llama 2", 2023, equation 2.
 */
export function rewardPairs({ center = 0 }: RewardSettings = {}): Objective {
  return {
    name: 'reward',
    settings: { center },
    inputs: { ...pairInputs, margins: { dtype: 'f32', shape: ['P'] } },
    loss(network, p, batch) {
      const sides = sidesOf(ratings(network, p, batch), batch);
      const [gap, both] = [difference(sides), add(sides.chosen, sides.rejected)];
      const losses = softplus(neg(sub(gap, batch.margins as Tensor))); // -log σ
      return {
        ...meanOf(center === 0 ? losses : add(losses, mul(mul(both, both), center))),
        metrics: {
          mean_reward: meanOf(mul(both, 0.5)),
          accuracy: meanOf(cast(greater(sides.chosen, sides.rejected), 'f32')),
          margin: meanOf(gap),
        },
      };
    },
  };
}
