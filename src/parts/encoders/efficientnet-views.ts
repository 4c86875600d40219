/**
 * What EfficientNet-Lite sees of a picture as a whole and of each of its ninths, with the colours that are there. A frozen
 * classifier keeps what tells classes apart and drops the rest: a grid from its middle, shares of colours and the bare
 * colours stand beside its last one.
 *
 * B pictures, C channels, h and w rows and columns of a grid
 */
import {
  abs,
  add,
  concat,
  constant,
  flatten,
  matmul,
  mean,
  mul,
  pad,
  relu,
  reshape,
  resize,
  select,
  slice,
  sqrt,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
} from '../../graph/index.js';
import { hostArray, QuintetError } from '../../tensor/index.js';
import type { Encoder } from '../types.js';
import { type EfficientNetConfig, efficientNetBuffers, efficientNetStates } from './efficientnet.js';

/** The block whose grid is looked at besides: the last one of stride 16. */
const middle = 10;

/** Pixels of a picture on a side of a cell of the last grid. */
const stride = 32;

/** Side in pixels of the pictures that the classifier learnt from: it knows things by their size in them. */
const known = 224;

/** Ninths overlap by one cell of the last grid, which has one more cell on a side than three times what they are apart. */
const ninthsPerSide = 3;

/** Pixels on a side of the squares whose colours are counted: smaller ones tell no more, larger ones mix what touches. */
const counted = 4;

/** Of red, of green and of blue, so many levels from -1 to 1 are told apart. */
const levels = 4;

/** Channels of the last grid and of the middle one, and how many colours are told apart, with which a view begins. */
export const viewWidths = { last: 1280, middle: 112, shares: levels ** 3 } as const;

/** Width E of a view: both grids' channels, shares of colours, then red, green and blue of each cell. */
export const viewWidthOf = (image: number): number =>
  viewWidths.last + viewWidths.middle + viewWidths.shares + 3 * (image / stride) ** 2;

/** The whole picture, then its ninths in reading order. */
export const viewCount = 1 + ninthsPerSide ** 2;

/**
 * Views [B, 10, E] of pictures [B, 3, image, image], whose values are from -1 to 1: means of the last grid, of the middle
 * one, roots of shares of colours, and colours as they are given, for a ninth twice as fine, behind which stand zeros.
 * Things in a ninth are small, so that larger pictures tell more of them; the whole of a larger picture is seen at 224
 * pixels. Sides of 128, 224, 320, 416, … pixels have ninths of whole cells.
 */
export function efficientNetViews(config: EfficientNetConfig): Encoder {
  const side = config.image / stride;
  const apart = (side - 1) / ninthsPerSide;
  if (!Number.isInteger(apart) || apart < 1) {
    throw new QuintetError('config', `a picture of ${config.image} pixels on a side has no ninths of whole cells`, {
      hint: 'image_size is 128, 224, 320 or another 96 pixels more',
    });
  }
  return {
    kind: 'encoder',
    image: config.image,
    buffers: ['_fc.*', ...efficientNetBuffers],
    forward(p, pixels) {
      const { grid, blocks } = efficientNetStates(p, pixels, config);
      const inner = blocks[middle] as Tensor;
      const smaller = config.image > known ? resize(pixels, [known, known], { mode: 'linear' }) : undefined;
      const whole = smaller ? efficientNetStates(p.shared, smaller, config) : { grid, blocks };
      const fine = averaged(pixels, stride / 2); // [B, 3, 2 side, 2 side]
      const squares = averaged(pixels, counted);
      const colours = flatten(averaged(fine, 2), 1, 3);
      const views = [concat([...seen(whole.grid, whole.blocks[middle] as Tensor), shares(squares), colours], 1)];
      for (const [row, column] of places()) {
        const part = (x: Tensor): Tensor => window(window(x, 2, row), 3, column);
        const own = flatten(part(fine), 1, 3);
        const behind = pad(own, 1, 0, colours.size(1) - own.size(1));
        views.push(concat([...seen(part(grid), part(inner)), shares(part(squares)), behind], 1));
      }
      return concat(
        views.map((view) => unsqueeze(view, 1)),
        1,
      );
    },
  };

  /** The stretch of a ninth on an axis of x. */
  function window(x: Tensor, axis: number, index: number): Tensor {
    const cell = x.size(axis) / side;
    return slice(x, axis, index * apart * cell, ((index + 1) * apart + 1) * cell);
  }
}

const seen = (grid: Tensor, inner: Tensor): Tensor[] => [mean(grid, [2, 3]), mean(inner, [2, 3])];

/** Below this, shares are as good as none: roots of less have no slope that one could learn by. */
const least = 1e-6;

/**
 * Roots of which share of x [B, 3, h, w] is of each of 64 colours, four levels of each channel: [B, 64]. What lies between two
 * levels belongs to both, the more the nearer. Of a small thing the share is small: its root tells it better from none.
 */
function shares(x: Tensor): Tensor {
  const apart = 2 / (levels - 1);
  const each = constant(
    hostArray(
      'f32',
      [levels, 1],
      Array.from({ length: levels }, (_, i) => i * apart - 1),
    ),
  );
  const [red, green, blue] = [0, 1, 2].map((channel) => {
    const flat = unsqueeze(flatten(select(x, 1, channel), 1, 2), 1); // [B, 1, hw]
    return relu(sub(1, mul(abs(sub(flat, each)), 1 / apart)));
  }) as [Tensor, Tensor, Tensor];
  const both = flatten(mul(unsqueeze(red, 2), unsqueeze(green, 1)), 1, 2); // [B, 16, hw]
  const share = mul(matmul(both, transpose(blue, [0, 2, 1])), 1 / (x.size(2) * x.size(3)));
  return flatten(sqrt(add(share, least)), 1, 2);
}

const places = (): [number, number][] =>
  Array.from({ length: ninthsPerSide ** 2 }, (_, i) => [Math.floor(i / ninthsPerSide), i % ninthsPerSide]);

/** x [B, C, h, w] -> [B, C, h / side, w / side]: means over squares. */
function averaged(x: Tensor, side: number): Tensor {
  const [h, w] = [x.size(2) / side, x.size(3) / side];
  return mean(reshape(x, [x.dim(0), x.size(1), h, side, w, side]), [3, 5]);
}
