/**
 * Looks at a stage from outside: its loss on samples that it does not learn from, or what the answers that it draws to them
 * are rewarded with, and what it answers to some questions.
 *
 * The sessions are opened for each evaluation and closed after it: between two of them a run takes no more memory than
 * without, and what answers is compiled over the values as they are now.
 */
import { Chat, isSystem, type Model, type PicturedChat } from '../model/index.js';
import { alone } from '../parallel/group.js';
import { type HostArrays, tableRows } from '../system/index.js';
import { closeAll, QuintetError } from '../tensor/index.js';
import type { Evaluation } from './log-record.js';
import { metricsOf, summed } from './means.js';
import { compileLoss, type MicroLoss, type StepOptions } from './step.js';
import { withLearnt } from './table-rows.js';
import { findTogether } from './together.js';
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
  const { group = alone, signal } = step;
  let learnt: Promise<Model> | undefined;
  const learntModel = (): Promise<Model> => {
    learnt ??= withLearnt(model, tableRows(step.train), values);
    return learnt;
  };
  const found = heldOut ? await heldOutPass(model, values, { ...step, ...heldOut, now: learntModel }) : {};
  if (questions.length === 0) return found;
  const now = await learntModel();
  // Of several processes each answers every so many questions.
  const own = questions.filter((_, i) => i % group.size === group.rank);
  const all = await findTogether(group, () => answersOf(now, own, signal));
  return { ...found, answers: questions.map((_, i) => all[i % group.size]?.[Math.floor(i / group.size)] as string) };
}

interface HeldOutPass extends StepOptions, NonNullable<EvaluateOptions['heldOut']> {
  readonly signal?: AbortSignal;
  /** The model with these values. */
  readonly now: () => Promise<Model>;
}

/**
 * The mean over all targets, whatever the batches. Of several processes each computes every so many batches. Of answers that
 * are drawn anew the loss says nothing: it is of others each time.
 */
async function heldOutPass(
  model: Model,
  values: HostArrays,
  { group = alone, ...options }: HeldOutPass,
): Promise<Evaluation> {
  const { data, batches, signal, now } = options;
  const pass = await compileLoss(model, options, new Set(Object.keys(values)));
  const ownLosses = async (): Promise<MicroLoss[]> => {
    const losses: MicroLoss[] = [];
    for (let index = group.rank; index < batches; index += group.size) {
      const known = await pass.foresee(await data.take(index, now, signal), values, signal);
      for (const batch of known) losses.push(await pass.run(batch, values, signal));
    }
    return losses;
  };
  try {
    const losses = (await findTogether(group, ownLosses)).flat();
    const { total, targets } = summed(losses);
    if (targets === 0) throw new QuintetError('data', 'no token of the held-out samples has a label');
    const loss = total / targets;
    if (!Number.isFinite(loss)) throw new QuintetError('numeric', `the held-out loss is ${loss}`);
    return { ...(data.onPolicy ? {} : { loss, targets }), ...metricsOf(losses) };
  } finally {
    await closeAll(pass, { close: async () => data.rest?.() });
  }
}

/** Greedy answers: the same values give the same. */
async function answersOf(
  model: Model,
  questions: readonly SampleChat[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (!isSystem(model)) throw new QuintetError('unsupported', 'the model answers nothing', { at: model.network.name });
  if (questions.length === 0) return [];
  const chat = await Chat.open(model);
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
