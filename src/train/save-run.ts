/** What a run leaves: a trained model, or an adapter and, where that needs it, the model that it is over; with a card. */

import { join } from 'node:path';
import {
  checkWritable,
  fitsBeside,
  folderOf,
  layeredWeights,
  learntValues,
  type Model,
  saveModel,
  writeAdapter,
} from '../model/index.js';
import { tableRows } from '../system/index.js';
import { type HostArray, placed } from '../tensor/index.js';
import { writeCard } from './card.js';
import type { PreparedStage } from './prepared-stages.js';
import type { RunFile } from './run-file.js';

type Values = Readonly<Record<string, HostArray>>;
type Stage = Pick<PreparedStage, 'stage' | 'train' | 'trained' | 'adapter' | 'settings' | 'values'>;

/** What a run has trained: in stages without an adapter, and in those that end it with one. */
export interface Trained {
  readonly before: Values;
  readonly beside: Values;
}

/** Refuses, before the first step, what could not be saved after the last one. */
export function checkSaving(model: Model, run: RunFile, stages: readonly Stage[]): void {
  const { settings, stage } = stages.at(-1) ?? {};
  const ownBase = needsBase(model, run, stages);
  if (!settings || ownBase) folderOf(model);
  if (!settings) return;
  try {
    const { before, beside } = namesOf(stages);
    checkWritable(model, settings, new Set([...(ownBase ? [] : before), ...beside]));
  } catch (error) {
    throw stage ? placed(error, stage.at) : error;
  }
}

/**
 * Writes the trained model, or the adapter of a last stage that trains one; returns the folder. `model` is as the run found it.
 */
export async function saveRun(
  model: Model,
  stages: readonly PreparedStage[],
  { run, before, ...learnt }: Trained & { readonly run: RunFile },
): Promise<string> {
  const { adapter, settings, values = [] } = stages.at(-1) ?? {};
  const beside = { ...Object.fromEntries(values), ...learnt.beside };
  const whole = join(run.output, 'model');
  const ownBase = needsBase(model, run, stages);
  if (!settings || ownBase) await saveModel(model, whole, { values: before });
  const folder = settings ? join(run.output, 'adapter') : whole;
  if (adapter && settings) {
    const all = new Map(Object.entries({ ...before, ...beside }));
    const final = { ...model, weights: layeredWeights(model.weights, all, run.seed + stages.length - 1) };
    // As PEFT does: what the user called it, which holds where the folders go somewhere else together.
    const base = { ...model, base: ownBase ? whole : run.modelAsWritten };
    await writeAdapter(
      folder,
      base,
      settings,
      await learntValues(final, adapter, ownBase ? beside : Object.fromEntries(all)),
    );
  }
  await writeCard(model, run.output, { folder, ownBase });
  return folder;
}

/** What the adapter of a last stage is for: the run's model, or the one that is saved with it. */
export function baseOf(model: Model, run: RunFile, stages: readonly Stage[]): string | undefined {
  if (!stages.at(-1)?.settings) return undefined;
  return needsBase(model, run, stages) ? join(run.output, 'model') : run.model;
}

/**
 * Whether an adapter's base is saved with it: the run's own model is that no more where it began with random parameters, or where
 * more learnt before the adapter than its format holds.
 */
function needsBase(model: Model, { fresh }: RunFile, stages: readonly Stage[]): boolean {
  const { settings } = stages.at(-1) ?? {};
  if (!settings) return false;
  const { before, beside } = namesOf(stages);
  return fresh || !fitsBeside(model, settings, { before, beside });
}

/** The names of what learns before stages with an adapter, and in them. */
function namesOf(stages: readonly Stage[]): {
  readonly before: ReadonlySet<string>;
  readonly beside: ReadonlySet<string>;
} {
  const learnt = (own: readonly Stage[]): ReadonlySet<string> =>
    new Set(
      own.flatMap(({ train, trained }) => {
        // Rows are put back into their tables.
        const rows = tableRows(train);
        return trained.map(({ name }) => rows.find((row) => row.name === name)?.table ?? name);
      }),
    );
  return {
    before: learnt(stages.filter(({ settings }) => !settings)),
    beside: new Set([
      ...stages.flatMap(({ values = new Map<string, HostArray>() }) => [...values.keys()]),
      ...learnt(stages.filter(({ settings }) => settings)),
    ]),
  };
}
