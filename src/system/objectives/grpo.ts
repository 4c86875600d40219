/**
 * Group-relative policy optimisation: several answers to one prompt are rewarded, and those better than their group become
 * likelier.
 *
 * Shao et al., "DeepSeekMath", 2024, section 4, https://arxiv.org/abs/2402.03300
 *
 * B answers, T tokens
 */
import {
  add,
  and,
  cast,
  clip,
  detach,
  div,
  equal,
  exp,
  greater,
  less,
  maximum,
  minimum,
  mul,
  neg,
  or,
  sqrt,
  sub,
  sum,
  type Tensor,
  unsqueeze,
} from '../../graph/index.js';
import type { Params } from '../../nn/index.js';
import { type HostArray, toNumbers } from '../../tensor/index.js';
import type { HostArrays, InputType, Network, Tensors } from '../network.js';
import { type BalanceOptions, balanced } from './balance.js';
import { countedOnce, type HostWork, type Mean, meanOf, type Objective } from './objective.js';
import { logProbabilities, scored, targetsAt } from './words.js';

export interface GrpoSettings extends BalanceOptions {
  /** How tokens [B, T] become one loss; default dapo. */
  readonly loss?: GrpoLossName;
  /** Weight of the divergence from the frozen reference; default 0: there is none. */
  readonly beta?: number;
  /** Steps that learn from the same answers, TRL's `num_iterations`; default 1. */
  readonly iterations?: number;
  /** How far the later ones may make a token less likely or likelier, as a part; default 0.2, and the same. */
  readonly epsilon?: number;
  readonly epsilonHigh?: number;
  /** Tokens that an answer may have; of dr-grpo, which divides by it. */
  readonly maxTokens?: number;
  /** At which answers were drawn; default 1. */
  readonly temperature?: number;
}

/** Losses of tokens [B, T], of which `given` [B, T] are 1, as one mean. */
export const grpoLosses = {
  /** The mean over each answer's tokens, then over answers: Shao et al., equation 3. */
  grpo: (losses, given) => meanOf(div(sum(mul(losses, given), [1]), maximum(sum(given, [1]), 1))),
  /** The mean over all tokens of the step: Yu et al., "DAPO", 2025, equation 8. */
  dapo: (losses, given) => ({ total: sum(mul(losses, given)), targets: sum(given) }),
  /** The mean over the tokens of a micro-batch, each of which counts the same however many it has: TRL. */
  bnpo: (losses, given) => meanOf(unsqueeze(div(sum(mul(losses, given)), maximum(sum(given), 1)), 0)),
  /** The sum over answers of one fixed length: Liu et al., "Understanding R1-Zero-Like Training", 2025. */
  'dr-grpo': (losses, given, maxTokens) => {
    const { targets } = meanOf(sum(given, [1]));
    return { total: sum(mul(losses, given)), targets: mul(targets, maxTokens) };
  },
} as const satisfies Readonly<Record<string, (losses: Tensor, given: Tensor, maxTokens: number) => Mean>>;

export type GrpoLossName = keyof typeof grpoLosses;

/** What each answer is rewarded with, and what that is worth beside the others to its prompt. */
const inputs: Readonly<Record<string, InputType>> = {
  rewards: { dtype: 'f32', shape: ['B'] },
  advantages: { dtype: 'f32', shape: ['B'] },
};

/** Of all answers of a step: how many there are, and the sums of their rewards and of the squares of those. */
const f64: InputType = { dtype: 'f64', shape: [] };
const stepFields = { step_answers: f64, step_rewards: f64, step_squares: f64 } satisfies HostWork['fields'];

function tally({ rewards }: HostArrays): Record<keyof typeof stepFields, number> {
  const all = toNumbers(rewards as HostArray);
  const sumOf = (part: (reward: number) => number): number => all.reduce((sum, reward) => sum + part(reward), 0);
  return { step_answers: all.length, step_rewards: sumOf((x) => x), step_squares: sumOf((x) => x * x) };
}

/** The standard deviation of all rewards of a step, as of a sample: scalar. TRL logs that, too, however it scales groups. */
function deviationOf({ step_answers, step_rewards, step_squares }: Tensors): Tensor {
  const [count, total, squares] = [step_answers, step_rewards, step_squares] as [Tensor, Tensor, Tensor];
  const variance = div(sub(squares, div(mul(total, total), count)), maximum(sub(count, 1), 1));
  return cast(sqrt(maximum(variance, 0)), 'f32');
}

/**
 * The policy's answers are drawn by the newest values, so that the likelihood ratio of the first update is 1 and only its
 * gradient counts. With several iterations the ratio is to what the network gave before the first one: `old_logps` [B, T].
 */
export function grpo(settings: GrpoSettings = {}): Objective {
  const { loss = 'dapo', beta = 0, epsilon = 0.2, epsilonHigh = epsilon, maxTokens = 256, iterations = 1 } = settings;
  const reuse = iterations > 1;
  const { temperature = 1, balance } = settings;
  const said = (network: Network, p: Params, batch: Tensors) => {
    const { logits, labels, outputs } = scored(network, p, batch, 'GRPO');
    const logps = logProbabilities(network, temperature === 1 ? logits : div(logits, temperature), labels);
    return { logps, given: targetsAt(network, labels), outputs };
  };
  return {
    name: 'grpo',
    settings: {
      ...{ loss, beta, epsilon, epsilonHigh, temperature },
      ...(reuse ? { iterations } : {}),
      ...(loss === 'dr-grpo' ? { maxTokens } : {}),
      ...(balance === undefined ? {} : { balance }),
    },
    inputs,
    host: { fields: stepFields, tally },
    iterations,
    ...(reuse ? { current: (network, p, batch) => ({ old_logps: said(network, p, batch).logps }) } : {}),
    ...(beta === 0 ? {} : { reference: (network, p, batch) => ({ reference_logps: said(network, p, batch).logps }) }),
    loss(network, p, batch) {
      const { logps, given, outputs } = said(network, p, batch);
      const ratio = exp(sub(logps, reuse ? (batch.old_logps as Tensor) : detach(logps)));
      const advantage = unsqueeze(batch.advantages as Tensor, 1);
      const clipped = clip(ratio, 1 - epsilon, 1 + epsilonHigh);
      const gains = minimum(mul(ratio, advantage), mul(clipped, advantage));
      const reference = beta === 0 ? undefined : sub(batch.reference_logps as Tensor, logps);
      const divergence = reference && sub(sub(exp(reference), reference), 1);
      const losses = divergence ? add(neg(gains), mul(divergence, beta)) : neg(gains);
      const own = grpoLosses[loss](losses, given, maxTokens);
      const outside = or(
        and(less(ratio, 1 - epsilon), less(advantage, 0)),
        and(greater(ratio, 1 + epsilonHigh), greater(advantage, 0)),
      );
      const perToken = (values: Tensor): Mean => ({ total: sum(mul(values, given)), targets: sum(given) });
      const metrics = {
        reward: meanOf(batch.rewards as Tensor),
        reward_std: countedOnce(deviationOf(batch), logps.dim(0)),
        // Groups without any difference teach nothing.
        'reward/equal': meanOf(cast(equal(batch.advantages as Tensor, 0), 'f32')),
        'completions/length': meanOf(sum(given, [1])),
        ...(reuse ? { clip_ratio: perToken(cast(outside, 'f32')) } : {}),
        ...(divergence ? { kl: perToken(divergence) } : {}),
      };
      return balanced(network, { ...own, metrics }, outputs, settings);
    },
  };
}

/**
 * Rewards of answers, group after group of `size` -> what each is worth in its group: the distance from the group's mean, in
 * standard deviations unless `scaled` is false, as Liu et al. have it.
 */
export function advantagesOf(rewards: readonly number[], size: number, { scaled = true } = {}): number[] {
  return rewards.map((reward, i) => {
    const from = i - (i % size);
    const group = rewards.slice(from, from + size);
    const mean = group.reduce((sum, x) => sum + x, 0) / size;
    if (!scaled) return reward - mean;
    const deviation = Math.sqrt(group.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (size - 1));
    return (reward - mean) / (deviation + 1e-4);
  });
}
