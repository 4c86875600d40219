/** Pictures like photographs, as JPEG files of usual quality. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { cacheFolder, projectFolder } from './paths.js';

export const [width, height] = [1024, 768];
const quality = 85;

/** A picture with the slopes, edges and grain of a photograph. */
export async function photograph(): Promise<string> {
  const path = join(cacheFolder, `photograph-${width}x${height}.jpg`);
  if (existsSync(path)) return path;
  const data = new Uint8Array(width * height * 3);
  let grain = 1;
  for (let i = 0; i < data.length; i++) {
    const [channel, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    grain = (Math.imul(grain, 1664525) + 1013904223) >>> 0;
    const slope = 60 * Math.sin(x / (30 + channel * 10) + y / 50) + 40 * Math.sin((x * y) / 9000 + channel);
    const edge = (x >> 6) + (y >> 6) > 14 ? 25 : 0;
    data[i] = Math.max(0, Math.min(255, 110 + slope + edge + ((grain >>> 24) - 128) / 8));
  }
  await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toFile(path);
  return path;
}

/** The same in as many hues as are asked for: `0.jpg` and so on in a folder. Their names. */
export async function photographs(folder: string, count: number): Promise<string[]> {
  const picture = await photograph();
  const names = Array.from({ length: count }, (_, i) => `${i}.jpg`);
  for (const [i, name] of names.entries()) {
    const hue = Math.round((360 * i) / count);
    await sharp(picture).modulate({ hue }).jpeg({ quality }).toFile(join(folder, name));
  }
  return names;
}

/** A sample of smol's in the same size. */
export async function sampleAsPhotograph(sample: 'cat.jpg' | 'scene.png'): Promise<string> {
  const path = join(cacheFolder, `${sample.slice(0, -4)}-${width}x${height}.jpg`);
  if (existsSync(path)) return path;
  await sharp(join(projectFolder, 'models', 'smol', 'samples', sample))
    .removeAlpha()
    .resize(width, height, { fit: 'cover' })
    .jpeg({ quality })
    .toFile(path);
  return path;
}
