/** A reward model as the reward of answers: it reads each prompt with its answer by its own template. */

import { padded } from '../data/index.js';
import { graph } from '../graph/index.js';
import { asSystem, createProcessor, load, type Model, type ModelOptions, openSession } from '../model/index.js';
import { rootScope } from '../nn/index.js';
import { type HostArrays, inputTensors, isRewardSystem, ratings, type System } from '../system/index.js';
import { closeAll, closeOnFailure, type HostArray, QuintetError, toNumbers } from '../tensor/index.js';
import { sessionMemory } from './estimate/memory.js';
import { sizesOf } from './estimate/schedule.js';
import { labelled } from './prepare.js';
import type { OpenReward, Rewarded } from './reward.js';

/** The reward of a model's folder; closing it closes the model. */
export async function openRatings(folder: string, options: ModelOptions = {}): Promise<OpenReward> {
  const model = asSystem(await load(folder, options));
  const rating = await closeOnFailure([model], () => rewardOf(model));
  return { ...rating, close: () => closeAll(rating, model) };
}

/** How a reward model rates answers. */
export async function rewardOf(model: Model<System>): Promise<OpenReward> {
  const { network } = model;
  if (!isRewardSystem(network)) {
    throw new QuintetError('config', 'the model rates no texts', {
      at: model.path ?? network.name,
      hint: 'train one by objective: reward',
    });
  }
  const { input_ids, attention_mask } = network.inputs;
  const types = { input_ids, attention_mask } as Parameters<typeof inputTensors>[0];
  const processor = createProcessor(model);
  const { p, declarations } = rootScope();
  const built = graph('ratings', { score: ratings(network, model.adapt(p), inputTensors(types)) });
  const session = await openSession(model, built, declarations);
  const { values } = sessionMemory(model, built, declarations);
  const parts = { system: network, processor };
  const rowOf = ({ prompt, answer }: Rewarded) => {
    const row = labelled({ messages: [...prompt, { role: 'assistant', content: answer }] }, [], parts);
    const { context } = network.backbone.part;
    if (row.ids.length <= context) return row;
    throw new QuintetError('limit', `an answer with its prompt takes ${row.ids.length} tokens of ${context}`, {
      at: model.path ?? network.name,
    });
  };
  return {
    async reward(answers) {
      if (answers.length === 0) return [];
      const { input_ids, attention_mask } = padded(answers.map(rowOf), processor.tokenizer.special.pad ?? 0);
      const given = { input_ids, attention_mask } as HostArrays;
      return toNumbers((await session.run(given)).score as HostArray);
    },
    // All answers are rated at once. What the session holds was there before.
    memory(batches) {
      const shapes = batches.map((batch) => (batch.input_ids as HostArray).shape as [number, number]);
      const rows = shapes.reduce((sum, [count]) => sum + count, 0);
      const longest = Math.max(...shapes.map(([, tokens]) => tokens));
      return values(sizesOf(types, { input_ids: { shape: [rows, longest] } }));
    },
    close: () => session.close(),
  };
}
