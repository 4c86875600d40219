/** Looks at samples as training would, without training: what is wrong with which, how long they are, what is learnt. */

import {
  type Dataset,
  dataError,
  isBlamed,
  type LabelledTokens,
  namedError,
  type Sample,
  type SeenPictures,
  targetsOf,
} from '../data/index.js';
import { loadPicture } from '../media/index.js';
import { checkImageTokens, createProcessor, type Model } from '../model/index.js';
import type { System } from '../system/index.js';
import { ignored, QuintetError } from '../tensor/index.js';
import { checkLearnt, createPreparer, cutSeen, labelled, labelledWhole } from './prepare.js';
import { type FormKind, type Learnt, refuseEmptyAnswers, sampleChecks } from './sample-forms.js';

/** How samples are looked at: as an objective has them. */
export interface TrainedAs {
  /** What is made of the samples; default they may be of any form. */
  readonly form?: FormKind;
  /** What of conversations is learnt; default what the assistant says. */
  readonly learn?: Learnt;
  /** Tokens that a sample is cut to; default the model's context. */
  readonly longest?: number;
}

export interface InspectOptions extends TrainedAs {
  /** Whose template and processor are used; without one, samples are read and pictures decoded. */
  readonly model?: Model<System>;
  /** Told of each sample that cannot be used, in order. */
  readonly onBad?: (error: QuintetError) => void;
  /** Told after each sample. */
  readonly onSample?: (done: number, count: number) => void;
  readonly signal?: AbortSignal;
}

/** What a file of samples holds; samples that cannot be used count among `samples` and `bad` only. */
export interface DataSummary {
  readonly samples: number;
  readonly bad: number;
  /** Of the assistant, also those that are compared. */
  readonly answers: number;
  readonly pictures: number;
  /** Where nobody's template was asked: conversations whose turns do not alternate, which many templates refuse. */
  readonly outOfTurn?: { readonly samples: number; readonly first: string };
  readonly tokens?: TokenSummary;
}

export interface TokenSummary {
  /** Over all conversations, before any is cut: a sample with two answers to compare is two. */
  readonly total: number;
  /** How many of them are learnt. */
  readonly learnt: number;
  /** Lengths of conversations: the shortest, the median, of ten and of a hundred all but one, the longest. */
  readonly quantiles: readonly { readonly part: number; readonly length: number }[];
  /** Conversations, and how many of them are longer than `longest`. */
  readonly conversations: number;
  readonly longest: number;
  readonly cut: number;
}

/** So many samples are under way at once. */
const ahead = 32;
const parts = [0, 0.5, 0.9, 0.99, 1];

/** Reads every sample. Throws what is no sample's own fault, and 'aborted'. */
export async function inspectData(dataset: Dataset, options: InspectOptions = {}): Promise<DataSummary> {
  const { model, onBad, onSample, signal } = options;
  const { longest = model?.network.backbone.part.context ?? Number.POSITIVE_INFINITY } = options;
  const looking = lookingAt(model, { ...options, longest });
  const [lengths, targets]: [number[], number[]] = [[], []];
  let [bad, answers, pictures] = [0, 0, 0];
  const outOfTurn: string[] = [];
  try {
    for await (const [index, outcome] of inOrder(dataset, looking.look)) {
      if (signal?.aborted) throw new QuintetError('aborted', 'the check was stopped');
      if ('error' in outcome) {
        if (!isBlamed(outcome.error)) throw outcome.error;
        bad++;
        onBad?.(namedError(outcome.error, dataset.where(index)));
      } else {
        const { sample, rows } = outcome.value;
        for (const { messages } of conversationsOf(sample)) {
          answers += messages.filter(({ role }) => role === 'assistant').length;
        }
        pictures += sample.pictures.length;
        if (!model && isOutOfTurn(sample)) outOfTurn.push(sample.where);
        for (const row of rows) {
          lengths.push(row.ids.length);
          targets.push(targetsOf(row));
        }
      }
      onSample?.(index + 1, dataset.count);
    }
  } finally {
    await looking.close();
  }
  const tokens = model && lengths.length > 0 ? { tokens: tokenSummary(lengths, targets, longest) } : {};
  const [first] = outOfTurn;
  const turns = first === undefined ? {} : { outOfTurn: { samples: outOfTurn.length, first } };
  return { samples: dataset.count, bad, answers, pictures, ...turns, ...tokens };
}

function tokenSummary(lengths: readonly number[], targets: readonly number[], longest: number): TokenSummary {
  const sorted = lengths.toSorted((a, b) => a - b);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const length = (part: number) => sorted[Math.ceil(part * sorted.length) - 1] ?? (sorted[0] as number);
  return {
    total: sum(lengths),
    learnt: sum(targets),
    quantiles: parts.map((part) => ({ part, length: length(part) })),
    conversations: lengths.length,
    longest,
    cut: lengths.filter((length) => length > longest).length,
  };
}

interface Looked {
  readonly sample: Sample;
  /** Its conversations as tokens, not cut; none without a model. */
  readonly rows: readonly LabelledTokens[];
}

/** What is learnt from a sample: itself, or each of the answers that are compared behind what they answer. */
function conversationsOf({ messages, tools, unlearnt = [], answers }: Sample) {
  const own = { unlearnt, ...(tools ? { tools } : {}) };
  if (!answers) return [{ messages, ...own, from: 0 }];
  const from = messages.length;
  return answers.map((answer) => ({ messages: [...messages, ...answer.messages], ...own, from }));
}

interface Looking {
  look(sample: Sample): Promise<Looked>;
  close(): Promise<void>;
}

function lookingAt(
  model: Model<System> | undefined,
  { form, learn, longest }: TrainedAs & { readonly longest: number },
): Looking {
  const checkSample = (sample: Sample): void => {
    if (form !== undefined) sampleChecks[form].check(sample, learn);
    if ((form === undefined || form === 'chats') && learn !== 'all') expectAnswers(sample);
    if (form === undefined && !sample.record) refuseEmptyAnswers(sample);
  };
  if (!model) {
    return {
      async look(sample) {
        for (const [i, picture] of sample.pictures.entries()) {
          await loadPicture(picture, typeof picture === 'string' ? {} : { at: `${sample.where}: picture ${i + 1}` });
        }
        checkSample(sample);
        return { sample, rows: [] };
      },
      close: async () => {},
    };
  }
  const { network: system } = model;
  checkLearnt(system, learn);
  const processor = createProcessor(model);
  const preparer = createPreparer(model, processor);
  const isAsked = ({ record }: Sample): boolean => form === 'prompts' || record !== undefined;
  const rowsOf = (sample: Sample, layouts: SeenPictures['layouts']): LabelledTokens[] => {
    if (isAsked(sample)) {
      const ids = processor.encode(processor.render(sample.messages, { prompt: true, tools: sample.tools }), layouts);
      return [{ ids, labels: ids.map(() => ignored) }];
    }
    if (learn === 'all' || sample.text !== undefined) return [labelledWhole(sample, layouts, { system, processor })];
    return conversationsOf(sample).map(({ from, ...conversation }) =>
      labelled(conversation, layouts, { system, processor, from }),
    );
  };
  return {
    async look(sample) {
      const seen = await preparer.look(sample);
      checkSample(sample);
      const { where } = sample;
      const rows = rowsOf(sample, seen.layouts);
      for (const row of rows) {
        // What is lost when it is cut is found out here. A prompt alone has nothing to lose.
        if (isAsked(sample)) checkImageTokens(system, row.ids, { features: seen.features, at: where });
        else cutSeen(row, longest, { system, seen, where });
      }
      return { sample, rows };
    },
    close: preparer.close,
  };
}

/** Whether there is something to learn from. A prompt alone is answered by whoever learns. */
function expectAnswers(sample: Sample): void {
  if (sample.record || sample.text !== undefined) return;
  for (const { messages } of conversationsOf(sample)) {
    if (!messages.some(({ role }) => role === 'assistant')) throw dataError(sample.where, 'no answer to learn');
  }
}

/** Whether what users and assistants say does not begin with a user or does not alternate. */
function isOutOfTurn(sample: Sample): boolean {
  return conversationsOf(sample).some(({ messages }) => {
    const turns = messages.map(({ role }) => role).filter((role) => role === 'user' || role === 'assistant');
    // What a tool says stands between two messages of the assistant.
    const tools = messages.some(({ role }) => role === 'tool');
    return turns[0] === 'assistant' || (!tools && turns.some((role, i) => role === turns[i - 1]));
  });
}

type Outcome = { readonly value: Looked } | { readonly error: unknown };

/** Every sample with what came of it, in order; those that follow are already under way. */
async function* inOrder(dataset: Dataset, look: Looking['look']): AsyncGenerator<readonly [number, Outcome]> {
  const begin = async (index: number): Promise<Outcome> => {
    try {
      return { value: await look(await dataset.read(index)) };
    } catch (error) {
      return { error };
    }
  };
  const begun: Promise<Outcome>[] = [];
  for (let index = 0; index < dataset.count; index++) {
    while (begun.length <= ahead && index + begun.length < dataset.count) begun.push(begin(index + begun.length));
    yield [index, await (begun.shift() as Promise<Outcome>)];
  }
}

/** A stretch of a sample's text whose tokens are all learnt, or all not. */
export interface LabelledText {
  readonly text: string;
  readonly tokens: number;
  readonly learnt: boolean;
}

/**
 * A sample as it is trained on: its text in stretches that are learnt or not, of each answer that is compared the whole. The
 * first token of a text is never learnt.
 */
export async function sampleAsTrained(
  model: Model<System>,
  sample: Sample,
  { longest = model.network.backbone.part.context, ...as }: TrainedAs = {},
): Promise<LabelledText[][]> {
  const { tokenizer } = createProcessor(model);
  const looking = lookingAt(model, { ...as, longest });
  const text = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecial: false });
  try {
    const { rows } = await looking.look(sample);
    return rows.map((row) => {
      const [ids, labels] = [row.ids.slice(0, longest), row.labels.slice(0, longest)];
      if (!model.network.backbone.part.encoder) {
        return stretches(labels.map((label, i) => i > 0 && label !== ignored)).map(({ from, to, learnt }) => {
          return { text: text(ids.slice(from, to)), tokens: to - from, learnt };
        });
      }
      return [
        { text: text(ids), tokens: ids.length, learnt: false },
        { text: text(labels), tokens: labels.length, learnt: true },
      ];
    });
  } finally {
    await looking.close();
  }
}

function stretches(learnt: readonly boolean[]): { from: number; to: number; learnt: boolean }[] {
  const found: { from: number; to: number; learnt: boolean }[] = [];
  for (const [i, own] of learnt.entries()) {
    const last = found.at(-1);
    if (last?.learnt === own) last.to = i + 1;
    else found.push({ from: i, to: i + 1, learnt: own });
  }
  return found;
}
