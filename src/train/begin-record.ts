/** What a run's folder says about the run before it begins. */

import type { Model } from '../model/index.js';
import { parameterCount } from '../system/index.js';
import { formatBytes, QuintetError } from '../tensor/index.js';
import { isOfRun, putResultsAside } from './earlier-results.js';
import type { PreparedStage } from './prepared-stages.js';
import type { Run, RunOptions } from './run.js';
import { type RunRecord, readRunRecord, type StageRecord, writeRunRecord } from './run-record.js';

/** Says in the run's folder what it is about to do. A run that goes on began when it first did. */
export async function beginRecord(
  model: Model,
  run: Run,
  stages: readonly PreparedStage[],
  options: RunOptions,
): Promise<RunRecord> {
  // Nothing depends on it: where it is damaged, it begins anew.
  const known = await readRunRecord(run.output).catch((error: QuintetError) => {
    options.onNotice?.(error);
    return undefined;
  });
  const goesOn = known !== undefined && isOfRun(known, run);
  if (known && !goesOn) await leaveResults(known, run, options);
  const { started } = goesOn ? known : timeOf(options, 'started');
  const record: RunRecord = {
    file: run.text,
    model: {
      source: run.model,
      network: model.network.name,
      ...(model.network.paper === undefined ? {} : { paper: model.network.paper }),
      parameters: parameterCount(model.declarations.values()),
      fresh: run.fresh,
    },
    ...{ seed: run.seed, engine: model.engine.description },
    ...(started === undefined ? {} : { started }),
    stages: stages.map(stageRecord),
  };
  await writeRunRecord(run.output, record);
  return record;
}

/** What another run has trained in the folder is not written over. */
async function leaveResults({ stages }: RunRecord, run: Run, { onNotice }: RunOptions): Promise<void> {
  const aside = await putResultsAside(run);
  if (aside === undefined) return;
  const why = `what is written there is of a run of other stages: ${stages.map(({ name }) => name).join(', ')}`;
  onNotice?.(new QuintetError('config', why, { at: run.output, hint: `It is put aside in ${aside}` }));
}

export function timeOf<Name extends string>({ clock }: RunOptions, name: Name): { readonly [N in Name]?: number } {
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
