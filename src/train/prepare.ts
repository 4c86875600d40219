/** What a sample becomes before it is put into a batch: tokens with labels, and what the encoder takes for its pictures. */

import {
  type CutTokens,
  createPictureReader,
  cutTo,
  dataError,
  type LabelledTokens,
  labelAnswers,
  labelLastAnswer,
  type Sample,
  type SeenPictures,
} from '../data/index.js';
import { checkImageTokens, featuresPerPicture, type Model, type Processor } from '../model/index.js';
import type { HostArrays, System } from '../system/index.js';
import { ignored, QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { keptStates, type PictureMemory, type Sight } from './picture-memory.js';
import { checkChat, type Learnt } from './sample-forms.js';

export interface PreparedSample extends CutTokens {
  /** What the encoder takes for the sample's pictures, or what is kept of them; nothing where it has none. */
  readonly pictures: HostArrays;
}

/** What was seen of a sample's pictures: what the encoder takes, and the same before the system has prepared it. */
export interface SampleSight extends Sight {
  /** How many features the backbone is given for all of them. */
  readonly features: number;
}

export interface Preparer {
  /** Cut to `longest` tokens. Throws what is wrong with the sample. */
  prepare(sample: Sample, longest: number, learn?: Learnt): Promise<PreparedSample>;
  look(sample: Sample): Promise<SampleSight>;
  /** Ends the threads that read pictures. */
  close(): Promise<void>;
}

/**
 * Prepares the samples of a model. Only what the assistant says is learnt, of an encoder-decoder its last answer. Pictures
 * whose features `memory` has are given by them.
 */
export function createPreparer(model: Model<System>, processor: Processor, memory?: PictureMemory): Preparer {
  const { network: system, files } = model;
  const reader = createPictureReader({ processor: files?.processorConfig, preprocessor: files?.preprocessorConfig });
  const perPicture = system.image ? featuresPerPicture(system) : 0;
  const look: Preparer['look'] = async (sample) => {
    checkPictures(model, sample);
    const see = async (): Promise<Sight> => {
      const { tensors, layouts } = await reader.read(sample);
      return { pictures: system.prepare ? system.prepare(tensors) : tensors, tensors, layouts };
    };
    const seen = await (memory?.look(sample.pictures, see) ?? see());
    const rows = (seen.pictures[keptStates] ?? seen.pictures.pixel_values)?.shape[0] ?? 0;
    return { ...seen, features: perPicture * rows };
  };
  return {
    look,
    async prepare(sample, longest, learn = 'answers') {
      checkChat(sample, learn);
      const seen = await look(sample);
      const label = learn === 'all' ? labelledWhole : labelled;
      const all = label(sample, seen.layouts, { system, processor });
      return { ...cutSeen(all, longest, { system, seen, where: sample.where }), pictures: seen.pictures };
    },
    close: reader.close,
  };
}

/** How many pictures a sample may have is how many a conversation may have that the model answers. */
function checkPictures({ network: { image }, pictureAdapter }: Model<System>, { pictures, where }: Sample): void {
  if (pictures.length > 0 && !image) {
    throw dataError(where, 'this model takes no pictures', 'Learn from texts alone, or by a model that sees');
  }
  if (pictures.length > 1 && image?.single) {
    throw dataError(
      where,
      `has ${pictures.length} pictures, and the model reads of one`,
      'Make a sample of each picture',
    );
  }
  if (pictures.length === 0 && pictureAdapter) {
    const hint = 'Learn texts by its language model, as a model of its own';
    throw dataError(where, "has no picture, without which the model's adapter takes no part", hint);
  }
}

interface CuttingParts {
  readonly system: System;
  readonly seen: SampleSight;
  readonly where: string;
}

/** The first `longest` tokens of a sample. Throws 'data' where they have nothing to learn, or not the whole of its pictures. */
export function cutSeen(all: LabelledTokens, longest: number, { system, seen, where }: CuttingParts): CutTokens {
  const tokens = cutTo(all, longest, where);
  const hint = tokens.cut
    ? `Raise longest, which cuts its ${all.ids.length} tokens to ${longest}`
    : 'The chat template must write a place for each picture, and nothing else may spell one';
  checkImageTokens(system, tokens.ids, { features: seen.features, at: where, hint });
  return tokens;
}

export interface LabellingParts {
  readonly system: System;
  readonly processor: Processor;
  /** The first message that may be learnt; default 0. */
  readonly from?: number;
}

/** All tokens of a sample whose pictures were laid out so, with their labels. */
export function labelled(
  { messages, tools, unlearnt = [] }: Pick<Sample, 'messages' | 'tools' | 'unlearnt'>,
  layouts: SeenPictures['layouts'],
  { system, processor, from = 0 }: LabellingParts,
): LabelledTokens {
  const { eos } = processor.tokenizer.special;
  const chat = {
    render: (own: readonly Message[], options: { readonly prompt: boolean }) =>
      processor.render(own, { ...options, tools }),
    encode: (text: string) => processor.encode(text, layouts),
    write: (answer: string) => processor.tokenizer.encode(answer, { special: true }),
    ...(eos === undefined ? {} : { end: eos }),
  };
  if (!system.backbone.part.encoder) {
    return labelAnswers(messages, chat, (turn) => turn >= from && !unlearnt.includes(turn));
  }
  const { ids, labels } = labelLastAnswer(messages, chat);
  return { ids, labels: unlearnt.includes(messages.length - 1) ? labels.map(() => ignored) : labels };
}

/** All tokens of a conversation or of a text alone, of which all but pictures are learnt. */
export function labelledWhole(
  { messages, tools, text }: Pick<Sample, 'messages' | 'tools' | 'text'>,
  layouts: SeenPictures['layouts'],
  { system, processor }: LabellingParts,
): LabelledTokens {
  const ids =
    text === undefined
      ? processor.encode(processor.render(messages, { prompt: false, tools }), layouts)
      : tokensOf(text, processor);
  return { ids, labels: ids.map((id) => (id === system.image?.token ? ignored : id)) };
}

/** The tokens of a text, and the one that ends texts, as TRL's SFT reads them; special tokens that it spells out are those tokens. */
function tokensOf(text: string, { encode, tokenizer: { special } }: Processor): readonly number[] {
  const ids = encode(text, []);
  return special.eos === undefined || ids.at(-1) === special.eos ? ids : [...ids, special.eos];
}

/** Refuses to learn the whole of what a model does not read and write as one text. */
export function checkLearnt({ backbone, name }: System, learn: Learnt = 'answers'): void {
  if (learn === 'answers' || !backbone.part.encoder) return;
  throw new QuintetError('config', `${name} reads with an encoder, and learns nothing but answers`, {
    at: 'objective.learn',
  });
}
