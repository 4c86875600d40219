/**
 * Looks at a stage from outside: its loss on samples that it does not learn from, and what it answers to some questions.
 *
 * The sessions are opened for each evaluation and closed after it: between two of them a run takes no more memory than
 * without, and what answers is compiled over the values as they are now.
 */
import { Chat, isSystem, layeredWeights, type Model, type PicturedChat } from '../model/index.js';
import { type HostArrays, tableRows } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Evaluation } from './log-record.js';
import { metricsOf, summed } from './means.js';
import { compileLoss, type MicroLoss, type StepOptions } from './step.js';
import { withRows } from './table-rows.js';
import type { BatchSource } from './train.js';

export interface EvaluateOptions extends StepOptions {
  /** Batches of held-out samples, and how many there are. */
  readonly heldOut?: { readonly data: BatchSource; readonly batches: number };
  readonly questions?: readonly SampleChat[];
}

/** A question about pictures. */
export interface SampleChat extends PicturedChat {
  readonly maxTokens: number;
}

/** Evaluates the trained parameters with these values. */
export async function evaluate(
  model: Model,
  values: HostArrays,
  { heldOut, questions = [], ...step }: EvaluateOptions & { readonly signal?: AbortSignal },
): Promise<Evaluation> {
  const loss = heldOut ? await heldOutLoss(model, values, { ...step, ...heldOut }) : {};
  if (questions.length === 0) return loss;
  const learnt = await withRows(model, tableRows(step.train), values);
  return { ...loss, answers: await answersOf(model, learnt, questions, step.signal) };
}

type HeldOutPass = StepOptions & NonNullable<EvaluateOptions['heldOut']> & { readonly signal?: AbortSignal };

/** The mean over all targets, whatever the batches. */
async function heldOutLoss(model: Model, values: HostArrays, options: HeldOutPass): Promise<Evaluation> {
  const { data, batches, signal } = options;
  const pass = await compileLoss(model, options, new Set(Object.keys(values)));
  try {
    const losses: MicroLoss[] = [];
    for (let index = 0; index < batches; index++) {
      const known = await pass.foresee(await data.take(index, values), values, signal);
      for (const batch of known) losses.push(await pass.run(batch, values, signal));
    }
    const { total, targets } = summed(losses);
    if (targets === 0) throw new QuintetError('data', 'no token of the held-out samples has a label');
    return { loss: total / targets, targets, ...metricsOf(losses) };
  } finally {
    await pass.close();
  }
}

/** Greedy answers: the same values give the same. */
async function answersOf(
  { pack: _, ...model }: Model,
  learnt: HostArrays,
  questions: readonly SampleChat[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const now: Model = { ...model, weights: layeredWeights(model.weights, new Map(Object.entries(learnt))) };
  if (!isSystem(now)) throw new QuintetError('unsupported', 'the model answers nothing', { at: now.network.name });
  const chat = await Chat.open(now);
  try {
    const answers: string[] = [];
    for (const { maxTokens, ...question } of questions) {
      answers.push(await chat.answer(question, { maxTokens, temperature: 0, ...(signal ? { signal } : {}) }));
    }
    return answers;
  } finally {
    await chat.close();
  }
}
