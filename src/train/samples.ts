/** Conversations with pictures as the batches of a run. */

import { type Dataset, microBatches, packed, packRows, padded, pieces } from '../data/index.js';
import { createProcessor, type Model } from '../model/index.js';
import type { Share } from '../parallel/group.js';
import { type HostArrays, type InputType, pictureInputs, type System } from '../system/index.js';
import { concatRows, type HostArray, QuintetError, zerosArray } from '../tensor/index.js';
import { keptRows, keptStates, type PictureMemory } from './picture-memory.js';
import { checkLearnt, createPreparer, type PreparedSample } from './prepare.js';
import { type SaidPicture, saidPictures } from './said-pictures.js';
import type { Learnt } from './sample-forms.js';
import { stepSamples } from './step-samples.js';
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
  /** Default what the assistant says. */
  readonly learn?: Learnt;
  /** Whether rows hold several samples, which do not see each other; a micro-batch then counts rows. Default false. */
  readonly packing?: boolean;
  /** Which of every step's samples are given, where several processes train together; default all. */
  readonly share?: Share;
  /** Whether but the sizes of batches count, as for an estimate: what takes long to compute is left 0. Default false. */
  readonly sizesOnly?: boolean;
  /** How long samples are (`dataset.lengths`), where like lengths go into one batch; default batches are random. */
  readonly lengths?: readonly number[];
  /** Of pictures whose features are kept; default all are decoded. */
  readonly memory?: PictureMemory;
  /** The part of all samples that may be bad before the run stops; default 0.01. */
  readonly badShare?: number;
  /** Told of each sample that cannot be used. */
  readonly onBad?: (error: QuintetError) => void;
}

/** With what a system that says pictures says of it. */
interface SayingSample extends PreparedSample {
  readonly said?: SaidPicture;
}

/** A dataset of chats, shuffled anew in every epoch; where not all is learnt, what the assistant says, of an encoder-decoder its last answer. */
export function sampleBatches(model: Model<System>, dataset: Dataset, given: SampleOptions): BatchSource {
  const { network: system } = model;
  const processor = createProcessor(model);
  const saying = saidPictures(model, processor);
  const { longest = system.backbone.part.context, batch, microBatch = batch, learn, packing = false } = given;
  if (packing) checkPacking(system);
  checkLearnt(system, learn);
  const preparer = createPreparer(model, processor, given.memory);
  const samples = stepSamples<SayingSample>(dataset, { ...given, longest }, async (sample) => {
    const prepared = await preparer.prepare(sample, longest, learn);
    return saying ? { ...prepared, said: saying.say(sample, longest) } : prepared;
  });
  return {
    fields: [...fieldsOf(system), ...(saying ? ['caption_ids'] : []), ...(packing ? ['position_ids'] : [])],
    about: { ...samples.about, ...(packing && { packing }) },
    accumulates: samples.accumulates,
    ...(saying || packing || samples.rows === undefined ? {} : { rows: samples.rows }),
    async take(step) {
      if (packing) {
        return pieces(packRows(await samples.take(step)), microBatch).map((part) => {
          return { ...packed(part, processor.tokenizer.special.pad ?? 0), ...picturesOf(system, part.flat()) };
        });
      }
      return microBatches(await samples.take(step), microBatch).map((part) => {
        // What is said stands before what is seen: it has the first rows.
        const said = part.flatMap((sample) => sample.said ?? []);
        const tokens = padded([...said, ...part], processor.tokenizer.special.pad ?? 0);
        const tensors = { ...tokens, ...picturesOf(system, part) };
        return saying ? { ...tensors, ...saying.captions(said) } : tensors;
      });
    },
    check: samples.check,
    cutIn: samples.cutIn,
    close: preparer.close,
  };
}

function checkPacking({ backbone, outputs, name }: System): void {
  if (!backbone.part.encoder && !outputs.image) return;
  const why = outputs.image ? 'gives pictures, which have rows of their own' : 'reads with an encoder';
  throw new QuintetError('config', `${name} ${why}: samples cannot share rows`, { at: 'packing' });
}

/** The pictures of some samples, one after another; of those whose features are kept these, and which rows they are. */
export function picturesOf(system: System, samples: readonly Pick<PreparedSample, 'pictures'>[]): HostArrays {
  const all = samples.map(({ pictures }) => pictures);
  const seen = all.filter(({ pixel_values: pixels }) => pixels);
  const pictures = Object.entries(pictureInputs(system)).map(([name, type]) => [
    name,
    seen.length > 0 ? concatRows(seen.map((tensors) => tensors[name] as HostArray)) : blank(type),
  ]);
  return { ...Object.fromEntries(pictures), ...keptOf(all) };
}

function keptOf(samples: readonly HostArrays[]): HostArrays {
  const states = samples.flatMap(({ [keptStates]: kept }) => kept ?? []);
  if (states.length === 0) return {};
  const isKept = samples.flatMap(({ [keptStates]: kept, pixel_values: pixels }) =>
    new Array<number>((kept ?? pixels)?.shape[0] ?? 0).fill(kept ? 1 : 0),
  );
  return {
    [keptStates]: concatRows(states),
    [keptRows]: { dtype: 'bool', shape: [isKept.length], data: Uint8Array.from(isKept) },
  };
}

/** One empty picture, which no token points at: a batch without pictures has the same fields as any other. */
function blank({ dtype, shape }: InputType): HostArray {
  return zerosArray(
    dtype,
    shape.map((dim) => (typeof dim === 'number' ? dim : 1)),
  );
}

/** What a batch holds: not what else a system may be given, such as codes of pictures to draw. */
export function fieldsOf(system: System): string[] {
  return ['input_ids', 'attention_mask', 'labels', ...Object.keys(pictureInputs(system))];
}
