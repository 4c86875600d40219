/**
 * What EfficientNet-Lite sees of a picture as a whole and of each of its ninths, with the colours that are there. A frozen
 * classifier keeps what tells classes apart and drops the rest: a grid from its middle and the bare colours stand beside
 * its last one.
 *
 * B pictures, C channels, h and w rows and columns of a grid
 */
import { concat, flatten, mean, pad, reshape, slice, type Tensor, unsqueeze } from '../../graph/index.js';
import type { Encoder } from '../types.js';
import { type EfficientNetConfig, efficientNetBuffers, efficientNetStates } from './efficientnet.js';

/** The block whose grid is looked at besides: the last one of stride 16. */
const middle = 10;

/** Ninths overlap: each reaches over this many of the seven rows and columns of the last grid, this many apart. */
const [reach, apart, ninths] = [3, 2, 3];

/** Cells on a side of the colours of the whole picture, and of a ninth's. */
const cells = { whole: 7, ninth: 6 } as const;

/** Width of a view: the last grid's channels, the middle one's, red, green and blue of each cell. */
export const viewWidths = { last: 1280, middle: 112, colours: 3 * cells.whole ** 2 } as const;

/** The whole picture, then its ninths in reading order. */
export const viewCount = 1 + ninths ** 2;

/**
 * Views [B, 10, 1539] of pictures [B, 3, image, image], whose side is a multiple of 224: means of the last grid, of the
 * middle one, and colours as they are given; behind those of a ninth stand zeros.
 */
export function efficientNetViews(config: EfficientNetConfig): Encoder {
  return {
    kind: 'encoder',
    image: config.image,
    buffers: ['_fc.*', ...efficientNetBuffers],
    forward(p, pixels) {
      const { grid, blocks } = efficientNetStates(p, pixels, config);
      const inner = blocks[middle] as Tensor;
      const fine = averaged(pixels, config.image / 14); // [B, 3, 14, 14]
      const views = [concat([...seen(grid, inner), flatten(averaged(fine, 2), 1, 3)], 1)];
      for (const [row, column] of places()) {
        const part = (x: Tensor): Tensor => window(window(x, 2, row), 3, column);
        const colours = pad(flatten(part(fine), 1, 3), 1, 0, viewWidths.colours - 3 * cells.ninth ** 2);
        views.push(concat([...seen(part(grid), part(inner)), colours], 1));
      }
      return concat(
        views.map((view) => unsqueeze(view, 1)),
        1,
      );
    },
  };
}

const seen = (grid: Tensor, inner: Tensor): Tensor[] => [mean(grid, [2, 3]), mean(inner, [2, 3])];

const places = (): [number, number][] =>
  Array.from({ length: ninths ** 2 }, (_, i) => [Math.floor(i / ninths), i % ninths]);

/** The stretch of a ninth on an axis of x. */
function window(x: Tensor, axis: number, index: number): Tensor {
  const cell = x.size(axis) / 7;
  return slice(x, axis, index * apart * cell, (index * apart + reach) * cell);
}

/** x [B, C, h, w] -> [B, C, h / side, w / side]: means over squares. */
function averaged(x: Tensor, side: number): Tensor {
  const [h, w] = [x.size(2) / side, x.size(3) / side];
  return mean(reshape(x, [x.dim(0), x.size(1), h, side, w, side]), [3, 5]);
}
