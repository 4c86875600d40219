/** Notices that a run learns nothing any more, which its loss alone does not say. */

import { QuintetError } from '../tensor/index.js';
import type { StepReport } from './train.js';

/** Steps without any gradient before it is told. */
const patience = 5;

type Seen = Pick<StepReport, 'step' | 'norm' | 'metrics'>;

/** Takes the reports of steps in their order; tells once, with the step, when gradients have long been exactly 0. */
export function standstillWatch(tell: (error: QuintetError) => void): (report: Seen) => void {
  let still = 0;
  let told = false;
  return ({ step, norm, metrics = {} }) => {
    still = norm === 0 ? still + 1 : 0;
    if (told || still < patience) return;
    told = true;
    const alike = metrics['reward/equal'] === 1;
    tell(
      new QuintetError('numeric', `the gradient has been exactly 0 for ${patience} steps: nothing is learnt`, {
        at: `step ${step}`,
        hint: alike
          ? 'all answers to each prompt are rewarded alike: let the reward tell them apart, or draw more answers'
          : 'the values may have grown beyond all bounds: begin again in another folder with a lower rate or with `clip`; or the loss does not depend on what `train` names',
      }),
    );
  };
}
