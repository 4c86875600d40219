/** Whether a checkpoint is of the run that is asked for, and how the run goes on from it. */

import { createHash } from 'node:crypto';
import type { Model } from '../model/index.js';
import { bytesOf, fields, type HostArray, QuintetError } from '../tensor/index.js';
import type { Learner } from './learner.js';
import type { RunFolder } from './run-folder.js';
import type { SavedSnapshot } from './snapshot.js';
import { type State, stateDifferences } from './state-differences.js';
import type { StageStep } from './step.js';
import type { TrainOptions } from './train.js';

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
 * Steps done in the newest checkpoint that can be read, whose regions are read into the arena; 0 where the stage begins. What
 * cannot be gone on from, and the log that belongs to it, is put aside, which is told.
 */
export async function resume(
  run: RunFolder,
  learner: Learner,
  { state, options }: { readonly state: State; readonly options: TrainOptions },
): Promise<number> {
  const { onNotice = () => {} } = options;
  const damaged: QuintetError[] = [];
  const snapshot = await run.latest((error) => damaged.push(error));
  const why = snapshot ? changedBeginning(snapshot, options) : await lostSteps(run, damaged);
  const next = why === undefined && snapshot ? { hint: `It goes on from step ${snapshot.step}` } : {};
  for (const error of damaged) onNotice(new QuintetError(error.code, error.message, { ...next, cause: error }));
  if (why !== undefined) {
    const hint = `Its checkpoints and log so far are in ${await run.putAside()}`;
    onNotice(new QuintetError('config', `${why}: it begins anew`, { at: run.path, hint }));
  }
  if (!snapshot || why !== undefined) {
    await run.rewindLog(-1);
    return 0;
  }
  checkState(snapshot, state, options);
  await readRegions(snapshot, learner);
  await run.rewindLog(snapshot.step);
  return snapshot.step;
}

/** Why a checkpoint is not gone on from: that would undo what the stages before have learnt since. */
function changedBeginning(
  { folder, step, state }: SavedSnapshot,
  { earlier }: Pick<TrainOptions, 'earlier'>,
): string | undefined {
  const began = fields(state, folder).raw.earlier;
  if (earlier === undefined || began === undefined || began === earlier) return undefined;
  return `what the stages before give is not what its ${step} steps began with`;
}

/** What was lost where no checkpoint can be read; undefined where nothing was done yet. */
async function lostSteps(run: RunFolder, damaged: readonly QuintetError[]): Promise<string | undefined> {
  if (damaged.length > 0) return 'none of its checkpoints can be read';
  const done = (await run.logged()).at(-1)?.step ?? 0;
  return done > 0 ? `its log has ${done} steps, of which there is no checkpoint` : undefined;
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
  const { earlier: _, steps: before, ...settings } = saved;
  const { steps: now, ...asked } = written;
  const other = stateDifferences(settings, asked);
  if (other.length === 0 && before === now) return;
  const config = (message: string, hint: string) => new QuintetError('config', message, { at: folder, hint });
  if (other.length > 0 || pruning) {
    const planned = 'cuts are planned over all steps, which were';
    const why = other.length > 0 ? other.join('; ') : `${planned} ${before} and are now ${now}`;
    throw config(
      `the checkpoint is of another run: ${why}`,
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
