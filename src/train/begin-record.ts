/** What a run's folder says about the run before it begins. */

import type { Model } from '../model/index.js';
import { parameterCount } from '../system/index.js';
import { formatBytes, QuintetError } from '../tensor/index.js';
import { isOfRun, putResultsAside, resultsOfOther } from './earlier-results.js';
import type { PreparedStage } from './prepared-stages.js';
import type { Run, RunOptions } from './run.js';
import { type RunRecord, readRunRecord, type StageRecord, writeRunRecord } from './run-record.js';

/** The record in the folder of a run. */
export interface OpenRecord {
  /** Says what the run is about to do: called before it does the first of it, which it may still be refused until then. */
  begin(): Promise<void>;
  /** Says what it has written. */
  end(result: string): Promise<void>;
  /** Says why it has failed, where it had begun. */
  fail(error: Error): Promise<void>;
}

/** Nothing is written yet. Throws 'config' where the run reads what it would put aside. A run that goes on began when it first did. */
export async function openRecord(
  model: Model,
  run: Run,
  stages: readonly PreparedStage[],
  options: RunOptions,
): Promise<OpenRecord> {
  // Nothing depends on it: where it is damaged, it begins anew.
  const known = await readRunRecord(run.output).catch((error: QuintetError) => {
    options.onNotice?.(error);
    return undefined;
  });
  const others = await resultsOfOther(run, known);
  const { started } = known && isOfRun(known, run) ? known : timeOf(options, 'started');
  const record = { ...recordOf(model, run, stages), ...(started === undefined ? {} : { started }) };
  let begun = false;
  return {
    async begin() {
      if (begun) return;
      if (others.length > 0) await leaveResults(others, { known, run, options });
      await writeRunRecord(run.output, record);
      begun = true;
    },
    end: (result) => writeRunRecord(run.output, { ...record, ...timeOf(options, 'ended'), result }),
    async fail({ message }) {
      // The failure itself is told, not that it could not be written.
      if (begun) await writeRunRecord(run.output, { ...record, error: message }).catch(() => {});
    },
  };
}

function recordOf(model: Model, run: Run, stages: readonly PreparedStage[]): RunRecord {
  return {
    file: run.text,
    model: {
      source: run.model,
      network: model.network.name,
      ...(model.network.paper === undefined ? {} : { paper: model.network.paper }),
      parameters: parameterCount(model.declarations.values()),
      fresh: run.fresh,
    },
    ...{ seed: run.seed, engine: model.engine.description },
    stages: stages.map(stageRecord),
  };
}

interface Leaving {
  readonly known: RunRecord | undefined;
  readonly run: Run;
  readonly options: RunOptions;
}

/** What another run has trained in the folder is not written over. */
async function leaveResults(found: readonly string[], { known, run, options }: Leaving): Promise<void> {
  const aside = await putResultsAside(run.output, found);
  const whose = known && `a run of other stages: ${known.stages.map(({ name }) => name).join(', ')}`;
  const why = `what is written there is of ${whose ?? 'a run that no record tells of'}`;
  options.onNotice?.(new QuintetError('config', why, { at: run.output, hint: `It is put aside in ${aside}` }));
}

function timeOf<Name extends string>({ clock }: RunOptions, name: Name): { readonly [N in Name]?: number } {
  return (clock ? { [name]: Math.round(clock()) } : {}) as { [N in Name]?: number };
}

function stageRecord({ stage, dataset, steps, trained, train, evaluation }: PreparedStage): StageRecord {
  const {
    name,
    at: _,
    batch,
    data,
    length,
    objective,
    form: _form,
    cacheFeatures: _kept,
    evaluation: asked,
    memory,
    ...settings
  } = stage;
  const { heldOut } = evaluation ?? {};
  return {
    ...{
      name,
      steps,
      batch,
      trained: parameterCount(trained),
      samples: dataset.count,
      data: data.map(({ path }) => path),
    },
    settings: {
      ...{ train, objective: objective.settings ? { name: objective.name, ...objective.settings } : objective.name },
      ...settings,
      ...(memory === undefined ? {} : { memory: formatBytes(memory) }),
      ...(asked && { every: asked.every, keepBest: asked.keepBest, earlyStopping: asked.earlyStopping }),
    },
    ...(heldOut && asked?.heldOut
      ? { heldOut: { data: asked.heldOut.data.map(({ path }) => path), samples: heldOut.dataset.count } }
      : {}),
    questions: (asked?.samples ?? []).map(({ prompt, pictures }) => ({ prompt, pictures })),
  };
}
