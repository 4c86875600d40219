/** Stages that make a reward model: of what a run has loaded, and what learns besides what they say. */

import { asSystem, type Model, rewardModel } from '../model/index.js';
import { isRewardSystem, ratingLayer, rewardPairs } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import type { RunStage } from './run-file.js';

const { name: objective } = rewardPairs();

interface Prepared {
  readonly model: Model;
  readonly stages: readonly RunStage[];
}

/** The model that stages train: one that rates where they learn ratings, whose new head then learns with an adapter, too. */
export function rewardStages(model: Model, stages: readonly RunStage[], seed: number): Prepared {
  const rates = (stage: RunStage): boolean => stage.objective.name === objective;
  if (!stages.some(rates) && !isRewardSystem(model.network)) return { model, stages };
  const other = stages.find((stage) => !rates(stage));
  if (other) {
    throw new QuintetError('config', 'a reward model learns nothing but pairs of answers', {
      at: other.at,
      hint: 'objective: reward; other objectives have a run of their own, whose model this one can begin from',
    });
  }
  const asked = stages.find(({ evaluation }) => evaluation && evaluation.samples.length > 0);
  if (asked) {
    throw new QuintetError('config', 'a reward model answers no questions: leave out `samples`', {
      at: asked.at,
    });
  }
  const own = rewardModel(asSystem(model), { seed });
  const head = `${ratingLayer(own.network)}.weight`;
  return {
    model: own,
    stages: stages.map((stage) => (stage.adapter ? { ...stage, train: [...stage.train, head] } : stage)),
  };
}
