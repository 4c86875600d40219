/** A picture that a language model says and a generator within it paints: GILL, NExT-GPT. */

import type { FolderFiles } from '../checkpoint/index.js';
import type { Picture } from '../media/index.js';
import type { PictureCondition, System } from '../system/index.js';
import { type HostArray, hostArray, QuintetError } from '../tensor/index.js';
import { captionReader, Painter } from './diffuse.js';
import type { Model } from './model.js';
import { type PaintPictureOptions, pictureOf } from './paint-picture.js';
import { createProcessor } from './prompt.js';
import { traceNetwork } from './trace.js';

/** How a system's pictures are said, where it says some. */
export function conditionOf({ network }: Model<System>): PictureCondition | undefined {
  const { image } = network.outputs;
  return image?.kind === 'condition' ? image : undefined;
}

/** The files by which the generator within a system reads texts itself. */
export function generatorTokenizerOf({ network, files }: Model): FolderFiles {
  if (files?.generatorTokenizer) return files.generatorTokenizer;
  throw new QuintetError('not-found', 'no generator_tokenizer beside the weights, which reads captions', {
    at: network.name,
  });
}

/** Paints what a text asks for: the signal tokens behind it become the condition. Guided away from `against`. */
export async function sayPicture(
  model: Model<System>,
  text: string,
  { size, against = '', ...options }: PaintPictureOptions = {},
): Promise<Picture> {
  const output = conditionOf(model);
  if (!output) throw new QuintetError('unsupported', 'this model says no pictures', { at: model.network.name });
  const generatorFiles = generatorTokenizerOf(model);
  const { render, encode } = createProcessor(model);
  const words = encode(render([{ role: 'user', content: text }], { prompt: true }), []);
  const { part, prefix } = output.generator;
  const painter = new Painter(model, part, { prefix, ...(size === undefined ? {} : { size }) });
  try {
    const condition = await saidCondition(model, [...words, ...output.tokens], options.signal);
    const other = await painter.read(captionReader(generatorFiles, part)([against]));
    return pictureOf(
      await painter.paint({ ...options, condition, against: cutTo(other, condition.shape[1] as number) }),
    );
  } finally {
    await painter.close();
  }
}

/** The first states of a text [1, L, W], as the mapper learns to give them: [1, Q, W] */
function cutTo({ dtype, shape: [, length = 0, width = 0], data }: HostArray, count: number): HostArray {
  const kept = Math.min(length, count);
  return { dtype, shape: [1, kept, width], data: data.slice(0, kept * width) };
}

/** The condition [1, Q, W] that ends a row of ids. */
async function saidCondition(
  model: Model<System>,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<HostArray> {
  const shape = [1, ids.length];
  const feeds = {
    input_ids: hostArray('i64', shape, ids),
    attention_mask: hostArray(
      'i64',
      shape,
      ids.map(() => 1),
    ),
  };
  const want = { want: ['image_condition'], ...(signal ? { signal } : {}) };
  return (await traceNetwork(model, feeds, want)).image_condition as HostArray;
}
