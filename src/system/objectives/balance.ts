/**
 * Experts that are asked about equally often.
 *
 * N tokens, E experts
 */
import {
  add,
  cast,
  concat,
  div,
  equal,
  exp,
  expand,
  flatten,
  log,
  max,
  mean,
  mul,
  not,
  range,
  reshape,
  softmax,
  sub,
  sum,
  type Tensor,
  topK,
  unsqueeze,
} from '../../graph/index.js';
import type { Experts } from '../../parts/types.js';
import { productOf, QuintetError } from '../../tensor/index.js';
import type { Network, Tensors } from '../network.js';
import type { System } from '../system.js';
import type { Loss } from './objective.js';

/**
 * How unevenly the routers of all layers send tokens, times the experts: 1 when even, were one expert chosen. Scores [N, E] each,
 * of which each token takes the `chosen` highest; tokens that `present` [N] marks 0 do not count. Fedus et al., "Switch
 * Transformers", 2021, equation 4, as Mixtral has it. The load is that of a micro-batch: what is computed together is to be
 * spread out.
 */
export function loadBalance(routers: readonly Tensor[], chosen: number, present?: Tensor): Tensor {
  const scores = concat(routers, 0); // [L N, E]
  const experts = scores.size(-1);
  const likely = softmax(scores);
  const asked = topK(likely, chosen).indices; // [L N, chosen]
  const sent = sum(cast(equal(unsqueeze(asked, 2), range(0, experts)), 'f32'), [1]); // [L N, E]
  const average = averageOver(present && reshapeFor(present, routers.length));
  return mul(sum(mul(average(sent), average(likely))), experts);
}

/** The balance of a network's experts, whose layers give scores [B·T, X], over the tokens that are `present` [B, T]: scalar. */
export function balanceOf(routers: readonly Tensor[], { chosen }: Pick<Experts, 'chosen'>, present: Tensor): Tensor {
  // Where rows hold several samples, it has the number of each.
  return loadBalance(routers, chosen, flatten(not(equal(present, 0)), 0, 1));
}

export interface BalanceOptions {
  /** The weight of how unevenly experts are asked; default what the model's configuration says. */
  readonly balance?: number;
}

/** A loss with what a network of experts learns besides, whatever it learns of words: `outputs` are those of the loss's pass. */
export function balanced(network: Network, loss: Loss, { aux_loss: uneven }: Tensors, options: BalanceOptions): Loss {
  // What tells a system from other networks is built upon objectives, and not to be asked by one.
  const { balance = (network as Partial<System>).backbone?.part.experts?.balance ?? 0 } = options;
  if (uneven) return withBalance(loss, uneven, balance);
  if (balance === 0) return loss;
  throw new QuintetError('unsupported', 'it has no experts to balance', { at: network.name });
}

/**
 * A loss with how unevenly experts were asked, by its weight in training: that of a micro-batch, whose mean over a step counts.
 * Without a weight nothing is added.
 */
export function withBalance(loss: Loss, uneven: Tensor, weight: number): Loss {
  if (weight === 0) return loss;
  const { total, targets, metrics } = loss;
  const own = mul(uneven, targets);
  return {
    ...{ total: add(total, mul(own, weight)), targets },
    metrics: { ...metrics, 'loss/balance': { total: own, targets } },
  };
}

/** The same tokens for each layer. */
function reshapeFor(present: Tensor, layers: number): Tensor {
  const all = expand(unsqueeze(cast(present, 'f32'), 0), [layers, ...present.shape]);
  return reshape(all, [productOf(all.shape), 1]);
}

/** The mean over tokens, or over those that count: [N, E] -> [E] */
const averageOver =
  (weights: Tensor | undefined) =>
  (values: Tensor): Tensor =>
    weights ? div(sum(mul(values, weights), [0]), sum(weights)) : mean(values, [0]);

/** The mean of log² Z of routers' scores [N, E], which keeps them small: Zoph et al., "ST-MoE", 2022, equation 5. */
export function routerZLoss(routers: readonly Tensor[]): Tensor {
  const scores = concat(routers, 0);
  const most = max(scores, [-1], { keep: true });
  const logZ = add(log(sum(exp(sub(scores, most)), [-1], { keep: true })), most);
  return mean(mul(logZ, logZ));
}
