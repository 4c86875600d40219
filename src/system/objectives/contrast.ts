/**
 * What belongs together is found among all that a batch holds: rows are compared with each other, so batches stay whole.
 *
 * B texts and pictures
 */
import {
  add,
  argMax,
  cast,
  crossEntropy,
  div,
  equal,
  logSoftmax,
  mean,
  mul,
  neg,
  range,
  type Tensor,
  transpose,
} from '../../graph/index.js';
import { QuintetError } from '../../tensor/index.js';
import { countedOnce, type Mean, meanOf, type Objective } from './objective.js';

/**
 * Each text picks its picture among all and each picture its text: Radford et al., "CLIP", 2021, figure 3. Scores [B, B], of
 * which the diagonal belongs together -> scalar. `smoothing` of the target is spread over all.
 */
export function pickingLoss(scores: Tensor, smoothing = 0): Tensor {
  return div(add(picking(scores, smoothing), picking(transpose(scores), smoothing)), 2);
}

/** Each row picks its own column. */
function picking(scores: Tensor, smoothing: number): Tensor {
  const plain = mean(crossEntropy(scores, range(0, scores.dim(0))));
  if (smoothing === 0) return plain;
  return add(mul(plain, 1 - smoothing), mul(neg(mean(logSoftmax(scores))), smoothing));
}

/** How many rows of scores [B, B] have their largest on the diagonal, as a mean. */
export const pickedRight = (scores: Tensor): Mean =>
  meanOf(cast(equal(argMax(scores, 1), range(0, scores.dim(0))), 'f32'));

/** The loss that a dual encoder's own matching asks for: that of CLIP or of SigLIP. A batch is compared as a whole. */
export function contrast(): Objective {
  return {
    name: 'contrast',
    whole: true,
    samples: 'captions',
    loss(network, p, batch) {
      const { loss, logits_per_text: scores } = network.forward(p, batch);
      if (!loss || !scores) {
        throw new QuintetError('unsupported', 'it does not compare texts with pictures', { at: network.name });
      }
      return {
        ...countedOnce(loss, scores.dim(0)),
        metrics: { 'picked/image': pickedRight(scores), 'picked/text': pickedRight(transpose(scores)) },
      };
    },
  };
}
