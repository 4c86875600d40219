/** Answers that are compared or rated as the batches of a run. */

import {
  type Answer,
  type CutTokens,
  type Dataset,
  type LabelledTokens,
  padded,
  pieces,
  type Sample,
} from '../data/index.js';
import { createProcessor, type Model, type Processor } from '../model/index.js';
import type { HostArrays, System } from '../system/index.js';
import { hostArray } from '../tensor/index.js';
import { createPreparer, cutSeen, labelled, type PreparedSample, type Preparer } from './prepare.js';
import { pairOf, ratedOf } from './sample-forms.js';
import { fieldsOf, picturesOf, type SampleOptions } from './samples.js';
import { checkNeighbours, type MadeSample, stepSamples } from './step-samples.js';
import type { BatchSource } from './train.js';

/** A prompt that was looked at, and what it is answered. */
interface AskedSample extends Pick<PreparedSample, 'pictures'> {
  /** The tokens of the prompt and an answer, which alone has labels. */
  tokens(answer: Answer): CutTokens;
  readonly sample: Sample;
}

interface Parts {
  readonly system: System;
  readonly processor: Processor;
  readonly preparer: Preparer;
  readonly longest: number;
}

async function ask(sample: Sample, { system, processor, preparer, longest }: Parts): Promise<AskedSample> {
  const seen = await preparer.look(sample);
  const { messages, tools, where } = sample;
  const from = messages.length;
  return {
    ...{ pictures: seen.pictures, sample },
    tokens: (answer) => {
      const whole = { messages: [...messages, ...answer.messages], ...(tools ? { tools } : {}) };
      const all = labelled(whole, seen.layouts, { system, processor, from });
      return cutSeen(all, longest, { system, seen, where });
    },
  };
}

/** What a batch of prompts becomes. */
interface Form<T> {
  readonly fields: readonly string[];
  /** Checks a sample and makes what can be made of it alone. */
  prepare(asked: AskedSample): T;
  /** The samples of a step as micro-batches of at most `size` samples. */
  tensors(samples: readonly T[], size: number, parts: Parts): HostArrays[];
}

function answerBatches<T extends MadeSample>(
  model: Model<System>,
  dataset: Dataset,
  given: SampleOptions,
  form: Form<T>,
): BatchSource {
  const { network: system } = model;
  const processor = createProcessor(model);
  const { longest = system.backbone.part.context, batch, microBatch = batch } = given;
  const parts: Parts = { system, processor, preparer: createPreparer(model, processor), longest };
  const samples = stepSamples<T>(dataset, { ...given, longest }, async (sample) =>
    form.prepare(await ask(sample, parts)),
  );
  return {
    fields: [...fieldsOf(system), ...form.fields],
    about: samples.about,
    accumulates: samples.accumulates,
    take: async (step) => form.tensors(await samples.take(step), microBatch, parts),
    check: samples.check,
    cutIn: samples.cutIn,
    close: parts.preparer.close,
  };
}

const whole = (numbers: readonly number[]) => hostArray('i64', [numbers.length], numbers);

interface PairSample extends Pick<AskedSample, 'pictures'> {
  readonly margin: number;
  /** The chosen answer and the rejected one. */
  readonly rows: readonly [LabelledTokens, LabelledTokens];
  readonly cut: boolean;
}

export interface PairOptions extends SampleOptions {
  /** Whether `margins` are given, too: how much better the chosen answers are, 0 where a record does not say. Default false. */
  readonly margins?: boolean;
}

/** Pairs of answers: rows of a batch by turns chosen and rejected, where `chosen` and `rejected` say. */
export function pairBatches(
  model: Model<System>,
  dataset: Dataset,
  { margins = false, ...options }: PairOptions,
): BatchSource {
  return answerBatches<PairSample>(model, dataset, options, {
    fields: ['chosen', 'rejected', ...(margins ? ['margins'] : [])],
    prepare({ pictures, sample, tokens }) {
      const [chosen, rejected] = pairOf(sample);
      const [one, other] = [tokens(chosen), tokens(rejected)];
      return { pictures, margin: sample.margin ?? 0, rows: [one, other], cut: one.cut || other.cut };
    },
    tensors: (samples, size, { system, processor }) =>
      pieces(samples, size).map((part) => ({
        ...padded(
          part.flatMap(({ rows }) => rows),
          processor.tokenizer.special.pad ?? 0,
        ),
        ...picturesOf(
          system,
          part.flatMap((sample) => [sample, sample]),
        ),
        chosen: whole(part.map((_, i) => 2 * i)),
        rejected: whole(part.map((_, i) => 2 * i + 1)),
        ...(margins
          ? {
              margins: hostArray(
                'f32',
                [part.length],
                part.map(({ margin }) => margin),
              ),
            }
          : {}),
      })),
  });
}

interface RatedSample extends AskedSample {
  readonly row: LabelledTokens;
  readonly cut: boolean;
  readonly answer: Answer;
}

/**
 * Single answers, of which `desirable` says whether they are good. `other_…` are the same prompts with the next sample's
 * answer.
 */
export function ratedBatches(model: Model<System>, dataset: Dataset, options: SampleOptions): BatchSource {
  checkNeighbours('rated answers are set beside those to other prompts', dataset, options);
  return answerBatches<RatedSample>(model, dataset, options, {
    fields: ['desirable', 'other_input_ids', 'other_attention_mask', 'other_labels'],
    prepare(asked) {
      const answer = ratedOf(asked.sample);
      const row = asked.tokens(answer);
      return { ...asked, answer, row, cut: row.cut };
    },
    tensors(samples, size, { system, processor }) {
      const pad = processor.tokenizer.special.pad ?? 0;
      const others = samples.map(({ tokens }, i) => tokens((samples[(i + 1) % samples.length] as RatedSample).answer));
      const rows = samples.map((sample, i) => ({ sample, other: others[i] as LabelledTokens }));
      return pieces(rows, size).map((part) => {
        const other = padded(
          part.map((row) => row.other),
          pad,
        );
        return {
          ...padded(
            part.map(({ sample }) => sample.row),
            pad,
          ),
          ...picturesOf(
            system,
            part.map(({ sample }) => sample),
          ),
          desirable: whole(part.map(({ sample }) => (sample.answer.good ? 1 : 0))),
          other_input_ids: other.input_ids,
          other_attention_mask: other.attention_mask,
          other_labels: other.labels,
        };
      });
    },
  });
}
