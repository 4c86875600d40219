/** What a sample becomes before it is put into a batch: tokens with labels, and what the encoder takes for its pictures. */

import {
  createPictureReader,
  cutTo,
  type LabelledTokens,
  labelAnswers,
  labelLastAnswer,
  type Sample,
  type SeenPictures,
} from '../data/index.js';
import type { Model, Processor } from '../model/index.js';
import type { HostArrays, System } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';

export interface PreparedSample extends LabelledTokens {
  /** What the encoder takes for the sample's pictures; nothing where it has none. */
  readonly pictures: HostArrays;
}

export interface Preparer {
  /** Cut to `longest` tokens. Throws what is wrong with the sample. */
  prepare(sample: Sample, longest: number): Promise<PreparedSample>;
  /** Ends the threads that read pictures. */
  close(): Promise<void>;
}

/** Prepares the samples of a model. Only what the assistant says is learnt, of an encoder-decoder its last answer. */
export function createPreparer({ network: system, files }: Model<System>, processor: Processor): Preparer {
  const reader = createPictureReader({ processor: files?.processorConfig, preprocessor: files?.preprocessorConfig });
  return {
    async prepare(sample, longest) {
      if (sample.pictures.length > 0 && !system.image) {
        throw new QuintetError('unsupported', 'this model takes no pictures', { at: sample.where });
      }
      const { tensors, layouts } = await reader.read(sample);
      const tokens = cutTo(labelled(sample, layouts, { system, processor }), longest, sample.where);
      return { ...tokens, pictures: system.prepare ? system.prepare(tensors) : tensors };
    },
    close: reader.close,
  };
}

/** All tokens of a sample whose pictures were laid out so, with their labels. */
export function labelled(
  { messages }: Pick<Sample, 'messages'>,
  layouts: SeenPictures['layouts'],
  { system, processor }: { readonly system: System; readonly processor: Processor },
): LabelledTokens {
  const { eos } = processor.tokenizer.special;
  const chat = {
    render: processor.render,
    encode: (text: string) => processor.encode(text, layouts),
    write: (answer: string) => processor.tokenizer.encode(answer, { special: true }),
    ...(eos === undefined ? {} : { end: eos }),
  };
  return (system.backbone.part.encoder ? labelLastAnswer : labelAnswers)(messages, chat);
}
