/** How many pictures there are of each kind. */

import { join } from 'node:path';
import { seedFor } from '../../src/tensor/index.js';
import type { Art } from './art.js';
import { type Kind, type Plan, pictureCount, planPicture, type Split } from './pictures.js';
import { workFolder } from './places.js';
import { openViews, viewWidth } from './views.js';

/** Every other picture is in the second file. */
export const viewFiles = [`views-${viewWidth}-0.bin`, `views-${viewWidth}-1.bin`] as const;

/** The views of training, by the numbers of their pictures: of `count` pictures, behind them `crowds`. */
export function openPictureViews(): ReturnType<typeof openViews> & { readonly crowds: number } {
  const files = viewFiles.map((file) => openViews(join(workFolder, file)));
  const all = Math.min(...files.map(({ count }) => count * files.length));
  return {
    count: Math.min(pictureCount, all),
    crowds: Math.max(0, all - pictureCount),
    read(index, into) {
      (files[index % files.length] as (typeof files)[number]).read(Math.floor(index / files.length), into);
    },
  };
}

export const evaluationViews = (name: string): string => `views-${viewWidth}-${name}.bin`;

export interface Evaluation {
  readonly name: string;
  readonly kind: Kind;
  readonly split: Split;
  readonly count: number;
}

export const evaluations: readonly Evaluation[] = [
  { name: 'drawings', kind: 'drawing', split: 'seen', count: 400 },
  { name: 'drawings-unseen-style', kind: 'drawing', split: 'unseen-style', count: 400 },
  { name: 'drawings-unseen-concept', kind: 'drawing', split: 'unseen-concept', count: 100 },
  { name: 'scenes', kind: 'scene', split: 'seen', count: 300 },
  { name: 'scenes-unseen-style', kind: 'scene', split: 'unseen-style', count: 200 },
  { name: 'flags', kind: 'flag', split: 'seen', count: 200 },
];

/** The number that a picture of an evaluation is drawn by. */
export const evaluationSeed = (name: string, index: number): number => seedFor(2, name, index);

export const evaluationPlan = (art: Art, { name, kind, split }: Evaluation, index: number): Plan =>
  planPicture(art, kind, split, evaluationSeed(name, index));
