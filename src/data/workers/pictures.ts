/** Pictures of samples as an encoder takes them, decoded and processed in threads of their own. */

import { availableParallelism } from 'node:os';
import { imageProcessorOf } from '../../media/index.js';
import type { Sample } from '../sample.js';
import type { PictureSettings, PictureTask, SeenPictures } from './picture-worker.js';
import { sharedPool } from './shared-pool.js';

export type { PictureSettings, SeenPictures } from './picture-worker.js';

export interface PictureReader {
  /** Throws what decoding and processing throw: 'media', 'limit', 'not-found', 'io', 'data'. */
  read(sample: Pick<Sample, 'pictures' | 'where'>): Promise<SeenPictures>;
  /** Ends what is being read; the threads end some seconds later, unless another reader of the same settings takes them. */
  close(): Promise<void>;
}

/** More threads than this are not needed to feed a step. */
const mostThreads = 8;
/** A picture at the limits of size takes seconds. */
const secondsOfSample = 120;

/** Reads as many samples at once as there are cores; readers of the same settings share their threads. */
export function createPictureReader(settings: PictureSettings): PictureReader {
  const pool = sharedPool<PictureTask, SeenPictures>({
    worker: 'picture-worker',
    size: Math.min(mostThreads, availableParallelism()),
    data: settings,
    seconds: secondsOfSample,
  });
  let ready: Promise<void> | undefined;
  return {
    async read({ pictures, where }) {
      if (pictures.length === 0) return { tensors: {}, layouts: [] };
      ready ??= prepare(settings);
      await ready;
      // Bytes may be a part of something larger, which would go with them whole.
      const sent = pictures.map((picture) => (typeof picture === 'string' ? picture : new Uint8Array(picture)));
      const buffers = sent.flatMap((picture) => (typeof picture === 'string' ? [] : [picture.buffer]));
      return pool.run({ pictures: sent, where }, buffers);
    },
    close: pool.close,
  };
}

async function prepare(settings: PictureSettings): Promise<void> {
  // Mistakes in the settings are told here, not by every thread.
  imageProcessorOf(settings);
  // The decoder's library is loaded here first: one that a thread loads goes with that thread.
  await import('../../media/node.js');
}
