/** A picture that a diffusion model paints of what a text says. */

import type { Picture } from '../media/index.js';
import type { LatentDiffusion } from '../system/index.js';
import { type HostArray, QuintetError, roundTiesToEven } from '../tensor/index.js';
import { captionReader, Painter, type PainterOptions, type PaintOptions } from './diffuse.js';
import type { Model } from './model.js';

export interface PaintPictureOptions
  extends Omit<PaintOptions, 'condition' | 'against'>,
    Omit<PainterOptions, 'prefix'> {
  /** What it is kept away from; default nothing in particular. */
  readonly against?: string;
}

/** Paints what a text asks for, guided away from `against`. */
export async function paintPicture(
  model: Model<LatentDiffusion>,
  text: string,
  { size, against = '', ...options }: PaintPictureOptions = {},
): Promise<Picture> {
  const { files } = model;
  if (!files) throw new QuintetError('not-found', 'the model came from no folder', { at: model.network.name });
  const painter = new Painter(model, model.network, size === undefined ? {} : { size });
  try {
    const captions = captionReader(files, model.network);
    const read = (words: string) => painter.read(captions([words]));
    const [condition, other] = [await read(text), await read(against)];
    return pictureOf(await painter.paint({ ...options, condition, against: other }));
  } finally {
    await painter.close();
  }
}

/** One picture [1, 3, height, width] between 0 and 1, in levels rounded as diffusers rounds them. */
export function pictureOf({ shape, data }: HostArray): Picture {
  const [, , height, width] = shape as [number, number, number, number];
  const size = height * width;
  const levels = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) levels[3 * i + c] = roundTiesToEven((data[c * size + i] as number) * 255);
  }
  return { width, height, data: levels };
}
