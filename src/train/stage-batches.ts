/** The batches of a stage, whatever is made of its samples. */

import type { Dataset } from '../data/index.js';
import type { Model } from '../model/index.js';
import type { System } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import { pairBatches, ratedBatches } from './preference-samples.js';
import { promptBatches } from './prompt-samples.js';
import { type OpenReward, openReward, type Reward } from './reward.js';
import { type SampleOptions, sampleBatches } from './samples.js';
import type { SampleForm } from './settings/objective.js';
import type { BatchSource } from './train.js';

export function stageBatches(
  model: Model<System>,
  dataset: Dataset,
  form: SampleForm,
  options: SampleOptions,
): BatchSource {
  if (options.packing && form.kind !== 'chats') {
    throw new QuintetError('config', 'only samples that are learnt one by one can share rows', { at: 'packing' });
  }
  if (form.kind === 'pairs') return pairBatches(model, dataset, { ...options, margins: form.margins ?? false });
  if (form.kind === 'rated') return ratedBatches(model, dataset, options);
  if (form.kind === 'chats') return sampleBatches(model, dataset, { ...options, learn: form.learn ?? 'answers' });
  if (options.once) {
    throw new QuintetError('config', 'answers that are drawn anew have no held-out loss: leave it out', {
      at: 'evaluate',
      hint: 'sample answers can be asked for',
    });
  }
  const { kind: _, reward: path, ...drawing } = form;
  let opened: Promise<OpenReward> | undefined;
  const reward: Reward = async (answers) => {
    opened ??= openReward(path, { engine: model.engine });
    return (await opened).reward(answers);
  };
  const source = promptBatches(model, dataset, { ...options, ...drawing, reward });
  return {
    ...source,
    async close() {
      await source.close?.();
      await (await opened)?.close();
    },
  };
}

/** Throws where something that batches need beside samples cannot be had. */
export async function checkForm(form: SampleForm, { engine }: Pick<Model, 'engine'>): Promise<void> {
  if (form.kind === 'prompts') await (await openReward(form.reward, { engine })).close();
}
