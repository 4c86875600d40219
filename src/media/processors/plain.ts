/**
 * The processors of CLIP, SigLIP, BLIP, ViT and LLaVA: resize, crop, rescale and normalise, each where its flag says so.
 *
 * Source: transformers 5.23, PilBackend in image_processing_backends.py, center_crop in image_transforms.py, models/llava.
 */

import { type Fields, type InParts, portions, QuintetError } from '../../tensor/index.js';
import { bytesAtOnce, crop, type Picture, paste, pictureLimits, plainPicture, type Region } from '../picture.js';
import { resizeInParts } from '../resize.js';
import {
  commonSize,
  type ImageProcessor,
  processorOf,
  readChannels,
  readLevels,
  readResampling,
  stack,
} from './pixels.js';
import { readFixedSize, readSizeRule, type Size } from './sizes.js';

type Step = (picture: Picture) => InParts<Picture>;

/** pixel_values f32 [N, 3, H, W]. With `do_pad`, pictures are filled up with zeros to the largest or to `pad_size`. */
export function plainProcessor(f: Fields): ImageProcessor {
  const pads = f.flag('do_pad', false);
  const canvas = pads && f.has('pad_size') ? readFixedSize(f, 'pad_size') : undefined;
  return steppedProcessor(f, resizeAndCrop(f), pads ? (pictures) => canvas ?? largest(pictures) : undefined);
}

/** As the plain one, but `do_pad` puts the picture in a square of the mean colour before anything else. */
export function llavaProcessor(f: Fields): ImageProcessor {
  if (!f.flag('do_pad', false)) return steppedProcessor(f, resizeAndCrop(f));
  const colour = meanColour(f);
  return steppedProcessor(f, [(picture) => padToSquare(picture, colour), ...resizeAndCrop(f)]);
}

/** Takes every picture through the steps and stacks the results, which must agree in size unless `canvas` gives one. */
export function steppedProcessor(
  f: Fields,
  steps: readonly Step[],
  canvas: (pictures: readonly Picture[]) => Size = (pictures) => commonSize(pictures, f.at),
): ImageProcessor {
  const levels = readLevels(f);
  return processorOf(function* (conversations) {
    const pictures: Picture[] = [];
    for (const picture of conversations.flat()) {
      let done = picture;
      for (const step of steps) done = yield* step(done);
      pictures.push(done);
    }
    if (pictures.length === 0) throw new QuintetError('data', 'no picture to process', { at: f.at });
    return {
      tensors: { pixel_values: yield* stack(pictures, levels, canvas(pictures)) },
      pictures: conversations.map((list) => list.map(({ width, height }) => ({ width, height }))),
    };
  });
}

function resizeAndCrop(f: Fields): Step[] {
  const crops = f.flag('do_center_crop', false) ? readFixedSize(f, 'crop_size') : undefined;
  const cropStep: Step = function* (picture) {
    yield;
    return crops ? centerCrop(picture, crops) : picture;
  };
  if (!f.flag('do_resize', false)) return [cropStep];
  const filter = readResampling(f);
  const sizeOf = readSizeRule(f);
  const resizeStep: Step = (picture) => {
    const size = sizeOf(picture);
    // What would be cut off is not computed.
    return resizeInParts(picture, size, { filter, ...(crops ? { region: middleOf(size, crops) } : {}) });
  };
  return [resizeStep, cropStep];
}

function largest(pictures: readonly Picture[]): Size {
  return {
    width: Math.max(...pictures.map((picture) => picture.width)),
    height: Math.max(...pictures.map((picture) => picture.height)),
  };
}

/** The part in the middle that is at most as large as `most`. */
function middleOf({ width, height }: Size, most: Size): Region {
  return {
    left: Math.max(0, Math.floor((width - most.width) / 2)),
    top: Math.max(0, Math.floor((height - most.height) / 2)),
    width: Math.min(width, most.width),
    height: Math.min(height, most.height),
  };
}

/** The middle of a picture; black where the picture is too small. Odd rests go where transformers puts them. */
export function centerCrop(picture: Picture, size: Size): Picture {
  const { width, height } = size;
  const middle = crop(picture, middleOf(picture, size));
  if (middle.width === width && middle.height === height) return middle;
  const result = plainPicture(width, height);
  paste(result, middle, {
    x: Math.max(0, Math.ceil((width - picture.width) / 2)),
    y: Math.max(0, Math.ceil((height - picture.height) / 2)),
  });
  return result;
}

/** `image_mean` as a colour, cut to whole levels. */
export function meanColour(f: Fields): readonly number[] {
  return readChannels(f, 'image_mean').map((mean) => Math.trunc(mean * 255));
}

/** The picture in the middle of a square as long as its longer edge. */
export function* padToSquare(picture: Picture, colour: readonly number[]): InParts<Picture> {
  const { width, height } = picture;
  if (width === height) return picture;
  const edge = Math.max(width, height);
  if (edge * edge > pictureLimits.pixels) {
    const why = `a picture of ${width} x ${height} pixels is padded to a square, of which ${pictureLimits.pixels} pixels are taken at most`;
    throw new QuintetError('limit', why, { hint: 'Scale it down first, or cut it into pieces.' });
  }
  const [x, y] = [Math.floor((edge - width) / 2), Math.floor((edge - height) / 2)];
  const square = plainPicture(edge, edge);
  const row = plainPicture(edge, 1, colour).data;
  const isPartDone = portions(bytesAtOnce);
  for (let at = 0; at < square.data.length; at += row.length) {
    if (isPartDone(row.length)) yield;
    square.data.set(row, at);
    const from = (at / row.length - y) * width * 3;
    square.data.set(picture.data.subarray(Math.max(0, from), Math.max(0, from + width * 3)), at + x * 3);
  }
  return square;
}
