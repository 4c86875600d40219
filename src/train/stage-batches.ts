/** The batches of a stage, whatever is made of its samples; what is asked for besides, such as a reward, is open with them. */

import type { Dataset } from '../data/index.js';
import { isSystem, type LoadOptions, type Model } from '../model/index.js';
import { closeAll, closeOnFailure, QuintetError } from '../tensor/index.js';
import { contrastBatches } from './captioned-samples.js';
import { maskedBatches } from './masked-samples.js';
import { noisyBatches } from './noisy-samples.js';
import { pairBatches, ratedBatches } from './preference-samples.js';
import { promptBatches } from './prompt-samples.js';
import { openReward, restingReward } from './reward.js';
import { type SampleOptions, sampleBatches } from './samples.js';
import type { SampleForm } from './settings/objective.js';
import { taughtBatches } from './teacher.js';
import type { BatchSource } from './train.js';

export async function stageBatches(
  model: Model,
  dataset: Dataset,
  form: SampleForm,
  options: SampleOptions & Pick<LoadOptions, 'hub'>,
): Promise<BatchSource> {
  if (options.packing && form.kind !== 'chats') {
    throw new QuintetError('config', 'only samples that are learnt one by one can share rows', { at: 'packing' });
  }
  if (form.kind === 'captions') return contrastBatches(model, dataset, options);
  if (form.kind === 'noisy') return noisyBatches(model, dataset, options);
  if (form.kind === 'masked') return maskedBatches(model, dataset, { ...options, ...form });
  if (!isSystem(model)) {
    throw new QuintetError('config', `${model.network.name} is no language model: it learns by another objective`, {
      at: 'objective',
      hint: 'contrast, image-text, denoise or masked-words',
    });
  }
  if (form.kind === 'pairs') return pairBatches(model, dataset, { ...options, margins: form.margins ?? false });
  if (form.kind === 'rated') return ratedBatches(model, dataset, options);
  if (form.kind === 'chats') {
    const source = sampleBatches(model, dataset, { ...options, learn: form.learn ?? 'answers' });
    const { teacher } = form;
    return teacher === undefined
      ? source
      : closeOnFailure([source], () => taughtBatches(model, source, { ...options, teacher }));
  }
  const { kind: _, reward: path, ...drawing } = form;
  const { engine } = model;
  // What is held out is rewarded now and then: in between only the stage's own reward is open.
  const opened = options.once ? restingReward(path, { engine }) : await openReward(path, { engine });
  return closeOnFailure([opened], async () => {
    const { reward, memory } = opened;
    const rewarding = { reward, ...(memory ? { rewardMemory: memory } : {}) };
    const source = promptBatches(model, dataset, { ...options, ...drawing, ...rewarding });
    return {
      ...source,
      ...(options.once ? { rest: () => closeAll({ close: async () => source.rest?.() }, opened) } : {}),
      close: () => closeAll(source, opened),
    };
  });
}
