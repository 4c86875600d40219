/**
 * Draws the sample pictures that are shipped: `npx tsx scripts/nano/make-samples.ts`. They are larger than the pictures of
 * training, without noise, and from no scene of it; the art is that of the training styles (see NOTICE).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Random, seedFor } from '../../src/tensor/index.js';
import { encodePng } from './png.js';
import { markPaintable, planScene, renderScene } from './scene.js';
import { loadArt } from './sprites.js';

const size = 288;
/** Chosen by eye among the first: single things and scenes, several styles and colours. */
const chosen = [3, 5, 6, 10, 23, 24, 32, 36];
/** The one that the first example shows. */
const scenePicture = 24;

const art = await loadArt();
markPaintable(art);
const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'models', 'nano', 'samples');
mkdirSync(folder, { recursive: true });
for (const number of chosen) {
  const seed = seedFor(1, 'sample', number);
  const scene = planScene(art, new Random(seed), 'seen');
  const faults = { brightness: 0, contrast: 1, noise: 0, blur: 0, blocks: 0 };
  const names = [...new Set(scene.things.map(({ object }) => art.objects[object]!.name.replaceAll(' ', '-')))];
  const file = number === scenePicture ? 'scene.png' : `${names.join('-')}.png`;
  writeFileSync(join(folder, file), encodePng(renderScene({ ...scene, faults }, seed, size)));
  console.log(`${number}: ${file}`);
}
