/**
 * Preferences without a reference: ORPO, SimPO, CPO.
 *
 * B rows, T tokens, P pairs
 */
import { add, div, equal, log, mul, neg, softplus, sub, sum, type Tensor, tanh, where } from '../../graph/index.js';
import { type HostArray, ignored, toNumbers } from '../../tensor/index.js';
import type { HostArrays, Network, Tensors } from '../network.js';
import type { System } from '../system.js';
import { type BalanceOptions, balanced } from './balance.js';
import { type HostWork, type Loss, type Mean, meanOf, type Objective } from './objective.js';
import {
  answersOf,
  bothSides,
  difference,
  pairInputs,
  rewardMetrics,
  type Sides,
  sidesOf,
  smoothed,
} from './preference.js';
import { logProbabilities, type Scored, scored } from './words.js';

/**
 * Of a step: its pairs, and the words of chosen answers that the policy also learns to say. The mean over pairs and that over
 * words have different divisors, and both are those of the whole step.
 */
const stepFields = {
  step_pairs: { dtype: 'f32', shape: [] },
  step_words: { dtype: 'f32', shape: [] },
} as const satisfies HostWork['fields'];

/** What stands for a picture in the text of a system that sees some. */
const imageToken = (network: Network): number | undefined => (network as Partial<System>).image?.token;

/** Counts a micro-batch's pairs and the words of chosen answers: those with a label, or all that are there. */
function tally(words: 'labels' | 'attention_mask', batch: HostArrays, network: Network) {
  const numbers = toNumbers(batch[words] as HostArray);
  const width = (batch[words] as HostArray).shape[1] as number;
  const nothing = words === 'labels' ? ignored : 0;
  const first = network.ownPlaces ? 0 : 1;
  const chosen = toNumbers(batch.chosen as HostArray);
  const token = words === 'labels' ? undefined : imageToken(network);
  const ids = toNumbers(batch.input_ids as HostArray);
  const count = (row: number): number => {
    const [from, to] = [row * width + first, (row + 1) * width];
    const counted = numbers.slice(from, to).filter((number, i) => number !== nothing && ids[from + i] !== token);
    return counted.length;
  };
  return { step_pairs: chosen.length, step_words: chosen.reduce((total, row) => total + count(row), 0) };
}

/** The mean over pairs of losses [P], and the mean loss of words, whose sums by row [B] are given, of chosen answers. */
function withWords(losses: Tensor, words: Tensor, batch: Tensors): Pick<Loss, 'total' | 'targets'> & { nll: Mean } {
  const said = sum(sidesOf(words, batch).chosen);
  const { total, targets } = meanOf(losses);
  const { step_pairs: pairs, step_words: count } = batch as Record<keyof typeof stepFields, Tensor>;
  // Divided by the step's pairs in the end.
  const share = div(mul(said, pairs), count);
  return { total: add(total, share), targets, nll: { total: share, targets } };
}

/** A pair's log-probabilities a token. */
function sidesEach(network: Network, said: Scored, batch: Tensors): Sides {
  const { logps, tokens } = answersOf(network, said);
  return sidesOf(div(logps, tokens), batch);
}

/** log(1 - e^x) of x < 0 by 1 - e^x = -2 t / (1 - t), t = tanh(x / 2), which keeps its digits near 0. */
function logOfRest(x: Tensor): Tensor {
  const t = tanh(div(x, 2));
  return log(div(mul(t, -2), sub(1, t)));
}

export interface OrpoSettings extends BalanceOptions {
  /** Default 0.1. */
  readonly beta?: number;
}

/** Odds-ratio preference optimisation: Hong et al., 2024, equations 6 and 7, https://arxiv.org/abs/2403.07691 */
export function orpo({ beta = 0.1, ...experts }: OrpoSettings = {}): Objective {
  return {
    name: 'orpo',
    settings: { beta, ...experts },
    inputs: pairInputs,
    host: { fields: stepFields, tally: (batch, network) => tally('attention_mask', batch, network) },
    loss(network, p, batch) {
      const said = scored(network, p, batch, 'ORPO');
      const { logits, labels, outputs } = said;
      const sides = sidesEach(network, said, batch);
      const odds = sub(difference(sides), difference(bothSides(sides, logOfRest)));
      const ratio = neg(softplus(neg(odds)));
      // It learns to say the prompt too.
      const { attention_mask: present, input_ids: ids } = batch as Record<string, Tensor>;
      const text = where(equal(present as Tensor, 1), ids as Tensor, ignored);
      const token = imageToken(network);
      // Nobody says where a picture stands.
      const spoken = token === undefined ? text : where(equal(text, token), ignored, text);
      const all = network.ownPlaces ? labels : spoken;
      const words = neg(sum(logProbabilities(network, logits, all), [1]));
      const { nll, ...loss } = withWords(mul(ratio, -beta), words, batch);
      const rewards = bothSides(sides, (side) => mul(side, beta));
      const own = { nll_loss: nll, log_odds_ratio: meanOf(ratio), log_odds_chosen: meanOf(odds) };
      const metrics = { ...rewardMetrics(rewards, sides), ...own };
      return balanced(network, { ...loss, metrics }, outputs, experts);
    },
  };
}

export interface SimpoSettings extends BalanceOptions {
  /** Default 2. */
  readonly beta?: number;
  /** By how much the chosen answer should win; default 0.5. */
  readonly margin?: number;
  /** Default 0. */
  readonly smoothing?: number;
}

/** Simple preference optimisation: Meng et al., 2024, equation 6, https://arxiv.org/abs/2405.14734 */
export function simpo({ beta = 2, margin = 0.5, smoothing = 0, ...experts }: SimpoSettings = {}): Objective {
  return {
    name: 'simpo',
    settings: { beta, margin, smoothing, ...experts },
    inputs: pairInputs,
    loss(network, p, batch) {
      const said = scored(network, p, batch, 'SimPO');
      const sides = sidesEach(network, said, batch);
      const losses = smoothed(sub(mul(difference(sides), beta), margin), smoothing);
      const rewards = bothSides(sides, (side) => mul(side, beta));
      const own = { ...meanOf(losses), metrics: rewardMetrics(rewards, sides) };
      return balanced(network, own, said.outputs, experts);
    },
  };
}

export interface CpoSettings extends BalanceOptions {
  /** Default 0.1. */
  readonly beta?: number;
  /** Weight of saying the chosen answer; default 1. */
  readonly say?: number;
  /** Default 0. */
  readonly smoothing?: number;
}

/** Contrastive preference optimisation: Xu et al., 2024, equation 5, https://arxiv.org/abs/2401.08417 */
export function cpo({ beta = 0.1, say = 1, smoothing = 0, ...experts }: CpoSettings = {}): Objective {
  return {
    name: 'cpo',
    settings: { beta, say, smoothing, ...experts },
    inputs: pairInputs,
    host: { fields: stepFields, tally: (batch, network) => tally('labels', batch, network) },
    loss(network, p, batch) {
      const said = scored(network, p, batch, 'CPO');
      const { logps } = answersOf(network, said);
      const sides = sidesOf(logps, batch);
      const rewards = bothSides(sides, (side) => mul(side, beta));
      const { nll, ...loss } = withWords(smoothed(difference(rewards), smoothing), mul(logps, -say), batch);
      const metrics = { ...rewardMetrics(rewards, sides), nll_loss: nll };
      return balanced(network, { ...loss, metrics }, said.outputs, experts);
    },
  };
}
