/**
 * Answers that are known to be good or bad, without pairs.
 *
 * Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization", 2024, equation 8, https://arxiv.org/abs/2402.01306
 *
 * B rows, T and S tokens
 */
import { div, equal, maximum, mul, sigmoid, sub, type Tensor, where } from '../../graph/index.js';
import type { Params } from '../../nn/index.js';
import { type HostArray, toNumbers } from '../../tensor/index.js';
import type { HostArrays, InputType, Network, Tensors } from '../network.js';
import { type BalanceOptions, balanced } from './balance.js';
import { type HostWork, meanOf, meanWhere, type Objective } from './objective.js';
import { answersOf } from './preference.js';
import { scored } from './words.js';

const i64 = (...shape: string[]): InputType => ({ dtype: 'i64', shape });

/** Whether each row's answer is good, and the same prompts with answers to others. */
const inputs = {
  desirable: i64('B'),
  other_input_ids: i64('B', 'S'),
  other_attention_mask: i64('B', 'S'),
  other_labels: i64('B', 'S'),
};

/** Of a step: how much likelier the policy makes mismatched answers than the reference does, summed over rows, and the rows. */
const stepFields = {
  step_drift: { dtype: 'f32', shape: [] },
  step_rows: { dtype: 'f32', shape: [] },
} as const satisfies HostWork['fields'];

export interface KtoSettings extends BalanceOptions {
  /** Default 0.1. */
  readonly beta?: number;
  /** Weights of good and of bad answers; default 1. Their ratio should be about that of bad ones to good ones. */
  readonly desirable?: number;
  readonly undesirable?: number;
}

/**
 * How far the policy is from the reference, the point that good and bad are measured from, is a mean over the rows of the
 * whole step, however it is cut.
 */
export function kto({ beta = 0.1, desirable = 1, undesirable = 1, ...experts }: KtoSettings = {}): Objective {
  return {
    name: 'kto',
    settings: { beta, desirable, undesirable, ...experts },
    neighbours: true,
    inputs,
    reference: (network, p, batch) => ({
      reference_logps: answer(network, p, batch),
      reference_drift: answer(network, p.shared, otherAnswers(batch)),
    }),
    current: (network, p, batch) => ({ current_drift: answer(network, p, otherAnswers(batch)) }),
    host: { fields: stepFields, tally },
    loss(network, p, batch) {
      const said = scored(network, p, batch, 'KTO');
      const { logps } = answersOf(network, said);
      const gain = sub(logps, batch.reference_logps as Tensor);
      const { step_drift: drift, step_rows: rows } = batch as Record<keyof typeof stepFields, Tensor>;
      const divergence = maximum(div(drift, rows), 0);
      const value = sigmoid(mul(sub(gain, divergence), beta));
      const isGood = equal(batch.desirable as Tensor, 1);
      const isBad = equal(batch.desirable as Tensor, 0);
      // 1 - σ(-x) = σ(x)
      const losses = where(isGood, mul(sub(1, value), desirable), mul(value, undesirable));
      const rewards = mul(gain, beta);
      const mean = meanOf(losses);
      const own = {
        ...mean,
        metrics: {
          'rewards/chosen': meanWhere(rewards, isGood),
          'rewards/rejected': meanWhere(rewards, isBad),
          'logps/chosen': meanWhere(logps, isGood),
          'logps/rejected': meanWhere(logps, isBad),
          kl: { total: mul(divergence, mean.targets), targets: mean.targets },
        },
      };
      return balanced(network, own, said.outputs, experts);
    },
  };
}

/** Log-probabilities of answers [B]. */
const answer = (network: Network, p: Params, batch: Tensors): Tensor =>
  answersOf(network, scored(network, p, batch, 'KTO')).logps;

/** The batch with answers to other prompts in place of its own. */
const otherAnswers = (batch: Tensors): Tensors => ({
  ...batch,
  input_ids: batch.other_input_ids as Tensor,
  attention_mask: batch.other_attention_mask as Tensor,
  labels: batch.other_labels as Tensor,
});

function tally({ current_drift: current, reference_drift: reference }: HostArrays): Record<string, number> {
  const [own, frozen] = [toNumbers(current as HostArray), toNumbers(reference as HostArray)];
  return { step_drift: own.reduce((total, x, i) => total + x - (frozen[i] as number), 0), step_rows: own.length };
}
