/** The batches of a stage, whatever is made of its samples; what is asked for besides, such as a reward, is open with them. */

import type { Dataset } from '../data/index.js';
import { asSystem, type Model } from '../model/index.js';
import { closeAll, closeOnFailure, QuintetError } from '../tensor/index.js';
import { maskedBatches } from './masked-samples.js';
import { pairBatches, ratedBatches } from './preference-samples.js';
import { promptBatches } from './prompt-samples.js';
import { openReward } from './reward.js';
import { type SampleOptions, sampleBatches } from './samples.js';
import type { SampleForm } from './settings/objective.js';
import { taughtBatches } from './teacher.js';
import type { BatchSource } from './train.js';

export async function stageBatches(
  model: Model,
  dataset: Dataset,
  form: SampleForm,
  options: SampleOptions,
): Promise<BatchSource> {
  if (options.packing && form.kind !== 'chats') {
    throw new QuintetError('config', 'only samples that are learnt one by one can share rows', { at: 'packing' });
  }
  if (form.kind === 'masked') return maskedBatches(model, dataset, { ...options, ...form });
  const system = asSystem(model);
  if (form.kind === 'pairs') return pairBatches(system, dataset, { ...options, margins: form.margins ?? false });
  if (form.kind === 'rated') return ratedBatches(system, dataset, options);
  if (form.kind === 'chats') {
    const source = sampleBatches(system, dataset, { ...options, learn: form.learn ?? 'answers' });
    const { teacher } = form;
    return teacher === undefined ? source : closeOnFailure([source], () => taughtBatches(system, source, teacher));
  }
  if (options.once) {
    throw new QuintetError('config', 'answers that are drawn anew have no held-out loss: leave it out', {
      at: 'evaluate',
      hint: 'sample answers can be asked for',
    });
  }
  const { kind: _, reward: path, ...drawing } = form;
  const opened = await openReward(path, { engine: model.engine });
  return closeOnFailure([opened], async () => {
    const source = promptBatches(system, dataset, { ...options, ...drawing, reward: opened.reward });
    return { ...source, close: () => closeAll(source, opened) };
  });
}
