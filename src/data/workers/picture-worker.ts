/** A thread that decodes pictures and makes of them what a model's encoder takes. */

import { workerData } from 'node:worker_threads';
import { imageProcessorOf, loadPicture, type PictureLayout } from '../../media/index.js';
import type { HostArray } from '../../tensor/index.js';
import type { PictureData } from '../sample.js';
import { serve } from './serve.js';

/** The parsed files that say how a model's pictures are processed. */
export type PictureSettings = Parameters<typeof imageProcessorOf>[0];

export interface PictureTask {
  readonly pictures: readonly PictureData[];
  /** Names pictures that are bytes in error messages. */
  readonly where: string;
}

/** What the encoder takes for the pictures of one conversation, and how each was laid out. */
export interface SeenPictures {
  readonly tensors: Readonly<Record<string, HostArray>>;
  readonly layouts: readonly PictureLayout[];
}

const processor = imageProcessorOf(workerData as PictureSettings);

serve<PictureTask, SeenPictures>(async ({ pictures, where }) => {
  const decoded = await Promise.all(
    pictures.map((picture, i) =>
      loadPicture(picture, typeof picture === 'string' ? {} : { at: `${where}: picture ${i + 1}` }),
    ),
  );
  const {
    tensors,
    pictures: [layouts = []],
  } = processor([decoded]);
  return {
    value: { tensors, layouts },
    transfer: Object.values(tensors).map(({ data }) => data.buffer as ArrayBuffer),
  };
});
