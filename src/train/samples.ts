/** Conversations with pictures as the batches of a run. */

import {
  cutTo,
  type Dataset,
  type LabelledTokens,
  labelAnswers,
  microBatches,
  orderOf,
  padded,
  type Sample,
  sampler,
} from '../data/index.js';
import { loadPicture, type Picture } from '../media/index.js';
import type { Processor } from '../model/index.js';
import type { HostArrays, InputType, System } from '../system/index.js';
import { type QuintetError, zerosArray } from '../tensor/index.js';
import type { BatchSource } from './train.js';

export interface SampleOptions {
  /** Samples a step. */
  readonly batch: number;
  /** Samples that are computed at once; default all of a step. */
  readonly microBatch?: number;
  /** Of the order of samples; default 0. */
  readonly seed?: number;
  /** Samples are cut to this many tokens; default the backbone's context. */
  readonly longest?: number;
  /** Told of each sample that cannot be used. */
  readonly onBad?: (error: QuintetError) => void;
}

interface PreparedSample extends LabelledTokens {
  readonly pictures: readonly Picture[];
}

/** A dataset of chats, shuffled anew in every epoch; only what the assistant says is learnt. */
export function sampleBatches(
  system: System,
  processor: Processor,
  dataset: Dataset,
  options: SampleOptions,
): BatchSource {
  const { batch, microBatch = batch, seed = 0, longest = system.backbone.part.context, onBad } = options;
  const samples = sampler<PreparedSample>({
    dataset,
    order: orderOf(dataset.count, { seed }),
    prepare: (sample) => prepare(sample, processor, longest),
    ...(onBad ? { onBad } : {}),
  });
  return {
    fields: fieldsOf(system),
    about: { seed, batch, microBatch, longest, samples: dataset.count },
    accumulates: batch > microBatch,
    async take(step) {
      const taken = await samples.take(step * batch, batch);
      return microBatches(taken, microBatch).map((part) => tensorsOf(part, system, processor));
    },
  };
}

async function prepare(sample: Sample, processor: Processor, longest: number): Promise<PreparedSample> {
  const pictures = await Promise.all(sample.pictures.map((path) => loadPicture(path)));
  const layouts = processor.pixels([pictures]).layouts[0] ?? [];
  const { eos } = processor.tokenizer.special;
  const chat = {
    render: processor.render,
    encode: (text: string) => processor.encode(text, layouts),
    ...(eos === undefined ? {} : { end: eos }),
  };
  return { ...cutTo(labelAnswers(sample.messages, chat), longest, sample.where), pictures };
}

function tensorsOf(samples: readonly PreparedSample[], system: System, processor: Processor): HostArrays {
  const tokens = padded(samples, { pad: processor.tokenizer.special.pad ?? 0 });
  if (!system.image) return { ...tokens };
  const chats = samples.map(({ pictures }) => pictures);
  if (chats.every((pictures) => pictures.length === 0)) return { ...tokens, ...blank(system) };
  const { tensors } = processor.pixels(chats);
  return { ...tokens, ...(system.prepare ? system.prepare(tensors) : tensors) };
}

/** What the encoder takes. */
function pictureFields({ image }: System): string[] {
  return image ? ['pixel_values', ...Object.keys(image.inputs ?? {})] : [];
}

/** What a batch holds: not what else a system may be given, such as codes of pictures to draw. */
function fieldsOf(system: System): string[] {
  return ['input_ids', 'attention_mask', 'labels', ...pictureFields(system)];
}

/** One empty picture, which no token points at: a batch without pictures has the same fields as any other. */
function blank(system: System): HostArrays {
  const one = pictureFields(system).map((name) => {
    const { dtype, shape } = system.inputs[name] as InputType;
    return [
      name,
      zerosArray(
        dtype,
        shape.map((dim) => (typeof dim === 'number' ? dim : 1)),
      ),
    ];
  });
  return Object.fromEntries(one);
}
