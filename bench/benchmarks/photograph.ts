/** Pictures that benchmarks read. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { cacheFolder, projectFolder } from '../harness/paths.js';

export const [photographWidth, photographHeight] = [1024, 768];

/** A sample of smol's in the size that a photograph is often sent in, as a JPEG file of usual quality. */
export async function sampleAsPhotograph(sample: 'cat.jpg' | 'scene.png'): Promise<string> {
  const path = join(cacheFolder, `${sample.slice(0, -4)}-${photographWidth}x${photographHeight}.jpg`);
  if (existsSync(path)) return path;
  await sharp(join(projectFolder, 'models', 'smol', 'samples', sample))
    .removeAlpha()
    .resize(photographWidth, photographHeight, { fit: 'cover' })
    .jpeg({ quality: 85 })
    .toFile(path);
  return path;
}
