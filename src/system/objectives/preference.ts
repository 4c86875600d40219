/**
 * Preferences: of two answers to one prompt the chosen one is made likelier than the rejected one.
 *
 * B rows, T tokens, P pairs, V vocabulary
 */
import {
  add,
  cast,
  div,
  gather,
  greater,
  maximum,
  mul,
  neg,
  sigmoid,
  softplus,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.js';
import type { Params } from '../../nn/index.js';
import { QuintetError } from '../../tensor/index.js';
import type { InputType, Network, Tensors } from '../network.js';
import { type BalanceOptions, balanced } from './balance.js';
import { type Mean, meanOf, type Objective } from './objective.js';
import { logProbabilities, type Scored, scored, targetsAt } from './words.js';

/** Which rows of a batch are the answers of its pairs. */
export const pairInputs: Readonly<Record<string, InputType>> = {
  chosen: { dtype: 'i64', shape: ['P'] },
  rejected: { dtype: 'i64', shape: ['P'] },
};

/** The answers of a batch, by row: their log-probability and how many tokens they have, [B] each. */
export interface Answers {
  readonly logps: Tensor;
  readonly tokens: Tensor;
}

export function answersOf(network: Network, { logits, labels }: Pick<Scored, 'logits' | 'labels'>): Answers {
  return { logps: sum(logProbabilities(network, logits, labels), [1]), tokens: sum(targetsAt(network, labels), [1]) };
}

/** Both sides of each pair: [P] each. */
export interface Sides {
  readonly chosen: Tensor;
  readonly rejected: Tensor;
}

/** What rows [B] have, by pair. */
export const sidesOf = (rows: Tensor, batch: Tensors): Sides => ({
  chosen: gather(rows, batch.chosen as Tensor),
  rejected: gather(rows, batch.rejected as Tensor),
});

export const difference = ({ chosen, rejected }: Sides): Tensor => sub(chosen, rejected);
export const bothSides = ({ chosen, rejected }: Sides, of: (side: Tensor) => Tensor): Sides => ({
  chosen: of(chosen),
  rejected: of(rejected),
});

/** What a pair's loss is made of. */
export interface Comparison {
  /** How much likelier the policy makes each answer than the reference does: differences of log-probabilities. */
  readonly gains: Sides;
  /** The same a token. */
  readonly gainsEach: Sides;
  /** How strongly the policy is held to the reference. */
  readonly beta: number;
  /** How many of the pairs are taken to be labelled the wrong way round. */
  readonly smoothing: number;
}

/** -log σ(x), with a part of the targets turned round. */
export const smoothed = (x: Tensor, smoothing: number): Tensor =>
  add(mul(softplus(neg(x)), 1 - smoothing), mul(softplus(x), smoothing));
const squared = (x: Tensor): Tensor => mul(x, x);

/** Losses of pairs [P]. `smoothing` counts for those of `smoothable`. */
export const preferenceLosses = {
  /** Rafailov et al., "Direct Preference Optimization", 2023, equation 7; with smoothing: Mitchell, "A note on DPO with noisy preferences", 2023. */
  sigmoid: ({ gains, beta, smoothing }) => smoothed(mul(difference(gains), beta), smoothing),
  /** Without the bias that smoothing has: Chowdhury et al., "Provably Robust DPO", 2024, equation 8. */
  robust: ({ gains, beta, smoothing }) => {
    const x = mul(difference(gains), beta);
    return div(sub(mul(softplus(neg(x)), 1 - smoothing), mul(softplus(x), smoothing)), 1 - 2 * smoothing);
  },
  /** Zhao et al., "SLiC-HF", 2023. */
  hinge: ({ gains, beta }) => maximum(sub(1, mul(difference(gains), beta)), 0),
  /** Azar et al., "A General Theoretical Paradigm to Understand Learning from Human Preferences", 2023, equation 17, a token. */
  ipo: ({ gainsEach, beta }) => squared(sub(difference(gainsEach), 1 / (2 * beta))),
  /** DPO a token. */
  'sigmoid-norm': ({ gainsEach, beta }) => softplus(neg(mul(difference(gainsEach), beta))),
  /** D'Oosterlinck et al., "Anchored Preference Optimization", 2024: chosen answers become likelier, rejected ones less. */
  'apo-zero': ({ gains, beta }) => {
    const { chosen, rejected } = bothSides(gains, (gain) => sigmoid(mul(gain, beta)));
    return add(sub(1, chosen), rejected);
  },
  /** The same for a policy that is better than its data: both become less likely, the rejected ones more so. */
  'apo-down': ({ gains, beta }) => add(sigmoid(mul(gains.chosen, beta)), sub(1, sigmoid(mul(difference(gains), beta)))),
  /** Chen et al., "Noise Contrastive Alignment", 2024, equation 7. */
  'nca-pair': ({ gains, beta }) => {
    const { chosen, rejected } = bothSides(gains, (gain) => mul(gain, beta));
    return add(softplus(neg(chosen)), mul(add(softplus(chosen), softplus(rejected)), 0.5));
  },
  /** Wu et al., "Self-Play Preference Optimization", 2024, with hard labels. */
  'sppo-hard': ({ gains: { chosen, rejected }, beta }) =>
    add(squared(sub(chosen, 0.5 / beta)), squared(add(rejected, 0.5 / beta))),
} as const satisfies Readonly<Record<string, (comparison: Comparison) => Tensor>>;

export type PreferenceLossName = keyof typeof preferenceLosses;

/** Losses in which labels may be wrong. */
const smoothable: readonly PreferenceLossName[] = ['sigmoid', 'robust'];

/** Refuses what a loss would pass over. */
function checkSmoothing({ loss, smoothing }: Required<Pick<DpoSettings, 'loss' | 'smoothing'>>): void {
  if (smoothing === 0 || smoothable.includes(loss)) return;
  throw new QuintetError('config', `it is of the losses ${smoothable.join(' and ')}, not of ${loss}`, {
    at: 'dpo.smoothing',
  });
}

export interface DpoSettings extends BalanceOptions {
  /** Default sigmoid. */
  readonly loss?: PreferenceLossName;
  /** Above 0; default 0.1. */
  readonly beta?: number;
  /** From 0 to less than a half; default 0. */
  readonly smoothing?: number;
}

/** What both sides are worth and how often the chosen one is worth more, under the names that TRL logs. */
export function rewardMetrics(rewards: Sides, logps: Sides): Record<string, Mean> {
  const { chosen, rejected } = rewards;
  return {
    'rewards/chosen': meanOf(chosen),
    'rewards/rejected': meanOf(rejected),
    'rewards/margins': meanOf(difference(rewards)),
    'rewards/accuracies': meanOf(cast(greater(chosen, rejected), 'f32')),
    'logps/chosen': meanOf(logps.chosen),
    'logps/rejected': meanOf(logps.rejected),
  };
}

/** Direct preference optimisation and its relatives: `labels` are the answers' tokens, in pairs of rows. */
export function dpo({ loss = 'sigmoid', beta = 0.1, smoothing = 0, ...experts }: DpoSettings = {}): Objective {
  checkSmoothing({ loss, smoothing });
  return {
    name: 'dpo',
    settings: { loss, beta, smoothing, ...experts },
    inputs: pairInputs,
    reference: (network, p, batch) => ({ reference_logps: answersOf(network, answers(network, p, batch)).logps }),
    loss(network, p, batch) {
      const said = answers(network, p, batch);
      const { logps, tokens } = answersOf(network, said);
      const gain = sub(logps, batch.reference_logps as Tensor);
      const gains = sidesOf(gain, batch);
      const gainsEach = sidesOf(div(gain, maximum(tokens, 1)), batch);
      const losses = preferenceLosses[loss]({ gains, gainsEach, beta, smoothing });
      const rewards = bothSides(gains, (side) => mul(side, beta));
      const own = { ...meanOf(losses), metrics: rewardMetrics(rewards, sidesOf(logps, batch)) };
      return balanced(network, own, said.outputs, experts);
    },
  };
}

const answers = (network: Network, p: Params, batch: Tensors): Scored =>
  scored(network, p, batch, 'learning preferences');
