/** libvips' own resampling through sharp, whose levels differ from Pillow's. */

import sharp from 'sharp';
import type { Program } from '../contender.js';
import { clip336 } from './clip.js';

const edge = 336;

export async function prepare(): Promise<() => Promise<Program>> {
  return async () => ({ process: processing() });
}

function processing(): (bytes: Uint8Array) => Promise<Float32Array> {
  const tables = clip336.image_mean.map((mean, channel) =>
    Float32Array.from({ length: 256 }, (_, level) => (level / 255 - mean) / (clip336.image_std[channel] as number)),
  );
  return async (bytes) => {
    const resized = sharp(bytes).resize(edge, edge, { fit: 'cover', kernel: 'cubic', fastShrinkOnLoad: false });
    const levels = await resized.removeAlpha().raw().toBuffer();
    const planes = new Float32Array(3 * edge * edge);
    tables.forEach((table, channel) => {
      let to = channel * edge * edge;
      for (let from = channel; from < levels.length; from += 3) planes[to++] = table[levels[from] as number] as number;
    });
    return planes;
  };
}
