/**
 * Janus: the longer edge to a given length, then a square of the mean colour around it.
 *
 * Source: transformers 5.23, models/janus/image_processing_pil_janus.py.
 */

import { type Fields, QuintetError, roundTiesToEven } from '../../tensor/index.js';
import { resizeInParts } from '../resize.js';
import type { ImageProcessor } from './pixels.js';
import { readResampling } from './pixels.js';
import { meanColour, padToSquare, steppedProcessor } from './plain.js';
import { readFixedSize } from './sizes.js';

/** pixel_values f32 [N, 3, edge, edge] */
export function janusProcessor(f: Fields): ImageProcessor {
  const { width: edge, height } = readFixedSize(f, 'size');
  if (edge !== height) {
    throw new QuintetError('config', `expected a square, got height ${height} and width ${edge}`, {
      at: `${f.at}: size`,
    });
  }
  const filter = readResampling(f);
  const least = f.count('min_size');
  const resizes = f.flag('do_resize', false);
  const pads = f.flag('do_pad', false);
  const colour = f.has('image_mean') ? meanColour(f) : [127, 127, 127];
  return steppedProcessor(f, [
    function* (picture) {
      if (!resizes) return picture;
      const scale = edge / Math.max(picture.width, picture.height);
      const scaled = (length: number): number => Math.max(roundTiesToEven(length * scale), least);
      return yield* resizeInParts(
        picture,
        { width: scaled(picture.width), height: scaled(picture.height) },
        { filter },
      );
    },
    function* (picture) {
      return pads ? yield* padToSquare(picture, colour) : picture;
    },
  ]);
}
