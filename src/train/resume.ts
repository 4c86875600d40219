/** Whether a checkpoint is of the run that is asked for, and how the run goes on from it. */

import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Model } from '../model/index.js';
import { bytesOf, fields, type HostArray, QuintetError } from '../tensor/index.js';
import type { Learner } from './learner.js';
import type { RunFolder } from './run-folder.js';
import type { SavedSnapshot } from './snapshot.js';
import type { StageStep } from './step.js';
import type { TrainOptions } from './train.js';

type State = Readonly<Record<string, unknown>>;

/** What tells one run from another: a checkpoint is read by the run that wrote it only. */
export async function stateOf(model: Model, { trained }: StageStep, options: TrainOptions): Promise<State> {
  const { steps, objective, optimizer, data, frozen = 'f32' } = options;
  const parameters = trained.map(({ name, shape }) => `${name} [${shape}]`);
  const { name, settings } = objective;
  const asked = { steps, objective: settings ? { name, ...settings } : name, optimizer, frozen };
  return { ...asked, model: await modelDigest(model), data: data.about ?? null, parameters };
}

/** Of the weights in files, wherever they lie, of which windows are compared, and of an adapter that they come with. */
async function modelDigest({ weights, declarations, pictureAdapter }: Model): Promise<string> {
  const hash = createHash('sha256');
  const samples = await Promise.all([...declarations.values()].map((own) => weights.stored(own)?.sample()));
  for (const bytes of samples.flatMap((windows) => windows ?? [])) hash.update(bytes);
  return hash.update(valuesDigest(pictureAdapter?.values ?? [])).digest('hex');
}

/** A text that another name or number changes. */
export function valuesDigest(values: Iterable<readonly [string, HostArray]>): string {
  const hash = createHash('sha256');
  for (const [name, array] of values) hash.update(name).update(bytesOf(array));
  return hash.digest('hex');
}

/**
 * Steps done in the newest checkpoint, whose regions are read into the arena; 0 without one. Checkpoints that began with other
 * results of the stages before are put aside.
 */
export async function resume(
  run: RunFolder,
  learner: Learner,
  { state, options }: { readonly state: State; readonly options: TrainOptions },
): Promise<number> {
  const snapshot = await run.latest(options.onNotice);
  if (!snapshot || (await isPutAside(run, snapshot, options))) {
    await run.rewindLog(-1);
    return 0;
  }
  checkState(snapshot, state, options);
  await readRegions(snapshot, learner);
  await run.rewindLog(snapshot.step);
  return snapshot.step;
}

/** To go on would undo what the stages before have learnt since. */
async function isPutAside(
  run: RunFolder,
  { folder, step, state }: SavedSnapshot,
  { earlier, onNotice }: Pick<TrainOptions, 'earlier' | 'onNotice'>,
): Promise<boolean> {
  const began = fields(state, folder).raw.earlier;
  if (earlier === undefined || began === undefined || began === earlier) return false;
  const aside = await run.putAside();
  const why = `what the stages before give is not what its ${step} steps began with: it begins anew`;
  onNotice?.(new QuintetError('config', why, { at: run.path, hint: `Its checkpoints and log so far are in ${aside}` }));
  return true;
}

export async function readRegions(snapshot: SavedSnapshot, { regions }: Learner): Promise<void> {
  for (const [name, bytes] of Object.entries(regions)) await snapshot.read(name, bytes);
}

/**
 * Refuses a checkpoint of another run. One of another length goes on: which samples a step is given does not depend on it.
 * Only what is cut by a plan over all steps cannot be planned anew in their midst.
 */
function checkState(
  { folder, step, state }: SavedSnapshot,
  own: State,
  { steps, pruning, onNotice }: Pick<TrainOptions, 'steps' | 'pruning' | 'onNotice'>,
): void {
  // Checkpoints have not always told their model.
  const saved: State = { model: own.model, ...fields(state, folder).raw };
  // As it was written: without what is undefined. In which order settings are named says nothing.
  const written = JSON.parse(JSON.stringify(own)) as State;
  const other = Object.keys(own).filter((key) => !isDeepStrictEqual(written[key], saved[key]));
  if (other.length === 0) return;
  const config = (message: string, hint: string) => new QuintetError('config', message, { at: folder, hint });
  if (other.join() !== 'steps' || pruning) {
    const lengths = other.includes('steps') ? ` (steps were ${saved.steps} and are now ${steps})` : '';
    throw config(
      `the checkpoint is of another run: its ${other.join(', ')} differ${lengths}`,
      'give another folder (`output`), which leaves this one as it is, or what the run was begun with',
    );
  }
  if (step > steps) {
    throw config(
      `${step} steps are done of ${saved.steps}, and the run is to have only ${steps}`,
      `give at least ${step} steps, or another folder (\`output\`), which leaves this one as it is`,
    );
  }
  const hint = step < steps ? 'From here on the learning rate is that of a run of the new length' : 'It is over';
  onNotice?.(config(`after ${step} steps of ${saved.steps}, the run is now to have ${steps}`, hint));
}
