/** A stage's evaluation by its settings: held-out samples that are open, questions whose pictures are read. */

import type { Dataset } from '../data/index.js';
import { loadPicture } from '../media/index.js';
import type { Model } from '../model/index.js';
import { closeOnFailure, QuintetError } from '../tensor/index.js';
import { evaluate, type SampleChat } from './evaluate.js';
import type { EvaluationSettings, HeldOut, SampleQuestion } from './settings/evaluation.js';
import type { StepOptions } from './step.js';
import type { BatchSource } from './train.js';
import type { EvaluationPlan } from './watch.js';

/** How a stage opens its data. */
export interface HeldOutOpening {
  open(heldOut: HeldOut): Promise<Dataset>;
  /** Each sample once, so many at a time. */
  batches(dataset: Dataset, batch: number): Promise<BatchSource>;
  /** Samples at a time where the settings do not say. */
  readonly batch: number;
}

export interface StageEvaluation {
  readonly settings: EvaluationSettings;
  readonly heldOut?: OpenHeldOut;
  readonly questions: readonly SampleChat[];
}

interface OpenHeldOut {
  readonly dataset: Dataset;
  readonly data: BatchSource;
  readonly batches: number;
}

/** Reads all that an evaluation needs: what is missing is told before the first step. */
export async function prepareEvaluation(
  { settings, images }: { readonly settings: EvaluationSettings; readonly images: boolean },
  { open, batches, batch }: HeldOutOpening,
): Promise<StageEvaluation> {
  const questions = await Promise.all(settings.samples.map((sample) => questionOf(sample, images)));
  if (!settings.heldOut) return { settings, questions };
  const dataset = await open(settings.heldOut);
  const size = settings.heldOut.batch ?? batch;
  const data = await closeOnFailure([dataset], () => batches(dataset, size));
  const heldOut = { dataset, data, batches: Math.ceil(dataset.count / size) };
  return { settings, questions, heldOut };
}

async function questionOf({ prompt, pictures, maxTokens }: SampleQuestion, images: boolean): Promise<SampleChat> {
  if (pictures.length > 0 && !images) {
    throw new QuintetError('config', 'the model takes no pictures', { at: `the sample "${prompt}"` });
  }
  const content = [...pictures.map(() => ({ type: 'image' as const })), { type: 'text' as const, text: prompt }];
  return {
    messages: [{ role: 'user', content }],
    pictures: await Promise.all(pictures.map((path) => loadPicture(path))),
    maxTokens,
  };
}

/** The evaluation as the loop makes it. */
export function evaluationPlan(
  model: Model,
  { settings, heldOut, questions }: StageEvaluation,
  step: StepOptions,
): EvaluationPlan {
  const { every, keepBest, earlyStopping } = settings;
  return {
    ...{ every, keepBest },
    ...(earlyStopping ? { earlyStopping } : {}),
    evaluate: (values, signal) =>
      evaluate(model, values, { ...step, questions, ...(heldOut ? { heldOut } : {}), ...(signal ? { signal } : {}) }),
  };
}
