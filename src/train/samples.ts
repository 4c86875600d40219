/** Conversations with pictures as the batches of a run. */

import {
  cutTo,
  type Dataset,
  type LabelledTokens,
  labelAnswers,
  labelLastAnswer,
  microBatches,
  orderOf,
  padded,
  type Sample,
  sampler,
} from '../data/index.js';
import { loadPicture } from '../media/index.js';
import { createProcessor, type Model, type Processor } from '../model/index.js';
import { type HostArrays, type InputType, pictureInputs, type System } from '../system/index.js';
import { concatRows, type HostArray, type QuintetError, zerosArray } from '../tensor/index.js';
import { type SaidPicture, saidPictures } from './said-pictures.js';
import type { BatchSource } from './train.js';

export interface SampleOptions {
  /** Samples a step. */
  readonly batch: number;
  /** Samples that are computed at once; default all of a step. */
  readonly microBatch?: number;
  /** Of the order of samples; default 0. */
  readonly seed?: number;
  /** In the order of the file and each sample once, as for an evaluation: the last batch may be smaller; default false. */
  readonly once?: boolean;
  /** Samples are cut to this many tokens; default the backbone's context. */
  readonly longest?: number;
  /** Told of each sample that cannot be used. */
  readonly onBad?: (error: QuintetError) => void;
}

interface PreparedSample extends LabelledTokens {
  /** What the encoder takes for the sample's pictures; nothing where it has none. */
  readonly pictures: HostArrays;
  /** Of a system that says pictures. */
  readonly said?: SaidPicture;
}

/** A dataset of chats, shuffled anew in every epoch; only what the assistant says is learnt, of an encoder-decoder its last answer. */
export function sampleBatches(model: Model<System>, dataset: Dataset, options: SampleOptions): BatchSource {
  const { network: system } = model;
  const processor = createProcessor(model);
  const saying = saidPictures(model, processor);
  const { batch, microBatch = batch, seed = 0, once = false, onBad } = options;
  const { longest = system.backbone.part.context } = options;
  const samples = sampler<PreparedSample>({
    dataset,
    order: once ? (position) => position : orderOf(dataset.count, seed),
    async prepare(sample) {
      const prepared = await prepare(sample, system, processor, longest);
      return saying ? { ...prepared, said: saying.say(sample, longest) } : prepared;
    },
    ...(onBad ? { onBad } : {}),
  });
  return {
    fields: [...fieldsOf(system), ...(saying ? ['caption_ids'] : [])],
    about: { seed, batch, microBatch, ...(Number.isFinite(longest) ? { longest } : {}), samples: dataset.count },
    accumulates: batch > microBatch,
    async take(step) {
      const left = once ? dataset.count - step * batch : batch;
      const taken = await samples.take(step * batch, Math.min(batch, left));
      return microBatches(taken, microBatch).map((part) => {
        // What is said stands before what is seen: it has the first rows.
        const said = part.flatMap((sample) => sample.said ?? []);
        const tensors = tensorsOf(part, said, { system, processor });
        return saying ? { ...tensors, ...saying.captions(said) } : tensors;
      });
    },
  };
}

async function prepare(sample: Sample, system: System, processor: Processor, longest: number): Promise<PreparedSample> {
  const pictures = await Promise.all(sample.pictures.map((path) => loadPicture(path)));
  const {
    tensors,
    layouts: [layouts = []],
  } = processor.pixels([pictures]);
  const { eos } = processor.tokenizer.special;
  const chat = {
    render: processor.render,
    encode: (text: string) => processor.encode(text, layouts),
    write: (answer: string) => processor.tokenizer.encode(answer, { special: true }),
    ...(eos === undefined ? {} : { end: eos }),
  };
  const label = system.backbone.part.encoder ? labelLastAnswer : labelAnswers;
  const tokens = cutTo(label(sample.messages, chat), longest, sample.where);
  return { ...tokens, pictures: system.prepare ? system.prepare(tensors) : tensors };
}

function tensorsOf(
  samples: readonly PreparedSample[],
  said: readonly SaidPicture[],
  { system, processor }: { readonly system: System; readonly processor: Processor },
): HostArrays {
  const tokens = padded([...said, ...samples], processor.tokenizer.special.pad ?? 0);
  const seen = samples.map(({ pictures }) => pictures).filter(({ pixel_values: pixels }) => pixels);
  const pictures = Object.entries(pictureInputs(system)).map(([name, type]) => [
    name,
    seen.length > 0 ? concatRows(seen.map((tensors) => tensors[name] as HostArray)) : blank(type),
  ]);
  return { ...tokens, ...Object.fromEntries(pictures) };
}

/** One empty picture, which no token points at: a batch without pictures has the same fields as any other. */
function blank({ dtype, shape }: InputType): HostArray {
  return zerosArray(
    dtype,
    shape.map((dim) => (typeof dim === 'number' ? dim : 1)),
  );
}

/** What a batch holds: not what else a system may be given, such as codes of pictures to draw. */
function fieldsOf(system: System): string[] {
  return ['input_ids', 'attention_mask', 'labels', ...Object.keys(pictureInputs(system))];
}
