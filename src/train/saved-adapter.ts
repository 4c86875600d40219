/** The adapter that a run begins with: one that another run, or PEFT, has written. */

import {
  isOfRewardModel,
  type LoadedAdapter,
  type Model,
  readAdapter,
  withAdapter,
  withoutAdapter,
} from '../model/index.js';
import { isRewardSystem } from '../system/index.js';
import { placed, QuintetError } from '../tensor/index.js';
import type { RunFile } from './run-file.js';

export interface BegunModel {
  /** In the place of an adapter that the model comes with, the saved one. */
  readonly model: Model;
  readonly saved?: LoadedAdapter | undefined;
}

/** Reads the adapter that stages go on with, where they do. */
export async function openSaved(
  model: Model,
  { fresh, stages }: Pick<RunFile, 'fresh' | 'stages'>,
): Promise<BegunModel> {
  const stage = stages.find(({ adapter }) => adapter?.kind === 'saved');
  const from = stage?.adapter?.from;
  if (!stage || from === undefined) return { model };
  return begunWith(model, from, fresh).catch((error) => {
    throw placed(error, `${stage.at}: adapter`);
  });
}

async function begunWith(model: Model, from: string, fresh: boolean): Promise<BegunModel> {
  if (fresh) {
    const why = 'it was made for the weights of its base, and a run that is `fresh` begins with others';
    throw new QuintetError('config', why);
  }
  const base = withoutAdapter(model);
  if ((await isOfRewardModel(from)) && !isRewardSystem(base.network)) {
    throw new QuintetError('config', 'it is the adapter of a reward model, which learns nothing but pairs of answers', {
      hint: 'objective: reward',
    });
  }
  const saved = await readAdapter(from, base.network, base.declarations);
  return { model: model.pictureAdapter ? withAdapter(model, saved) : model, saved };
}
