/** Runs over four captioned pictures. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath } from '../fixture.js';
import { runFolder } from './runs.js';

export const pairs = [
  ['one.png', 'a tall tree'],
  ['two.png', 'two birds'],
  ['grey.png', 'nothing at all'],
  ['wide.png', 'a red kite on the lake'],
] as const;

/** A folder with `captions.csv`, and a run of one stage over it. */
export function captioned(stage: object, base: string): ReturnType<typeof runFolder> {
  const run = runFolder({ stages: [{ train: ['**'], data: 'captions.csv', batch: 4, ...stage }] }, base);
  cpSync(`${fixturePath('clip')}/media/wide.png`, join(run.folder, 'wide.png'));
  const rows = pairs.map(([image, caption]) => `${image},${caption}\n`);
  writeFileSync(join(run.folder, 'captions.csv'), `image,caption\n${rows.join('')}`);
  return run;
}
