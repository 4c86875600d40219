/**
 * Idefics3 and SmolVLM: a picture as a grid of square tiles, row by row, followed by the whole picture as one tile.
 *
 * Source: transformers 5.23, models/idefics3/image_processing_pil_idefics3.py.
 *
 * B conversations, N tiles of the conversation with most, S edge of a tile
 */

import { type Fields, type HostArray, type InParts, QuintetError, zerosArray } from '../../tensor/index.js';
import { type Picture, paste, plainPicture } from '../picture.js';
import { type Resampling, resizeInParts } from '../resize.js';
import {
  type ImageProcessor,
  type Levels,
  type PictureLayout,
  processorOf,
  readLevels,
  readResampling,
  writePlanes,
} from './pixels.js';
import { readFixedSize, type Size, type SizeRule } from './sizes.js';

/** No edge becomes longer than this before tiling, whatever the settings say. */
const longestEdge = 4096;
/** Most tiles of a picture; the smallest published ones make 361. */
const mostTiles = 1024;

interface Split {
  readonly tiles: readonly Picture[];
  readonly layout: PictureLayout;
}

/** pixel_values f32 [B, N, 3, S, S] and, with do_pad, pixel_attention_mask i64 [B, N, S, S]; missing tiles are zeros. */
export function idefics3Processor(f: Fields): ImageProcessor {
  const levels = readLevels(f);
  const filter = readResampling(f);
  const edge = f.object('max_image_size').count('longest_edge');
  const sizeOf = f.flag('do_resize', false) ? readIdeficsSize(f) : undefined;
  const splits = f.flag('do_image_splitting', false);
  const pads = f.flag('do_pad', false);
  function* splitOf(picture: Picture): InParts<Split> {
    const resized = sizeOf ? yield* resizeInParts(picture, sizeOf(picture), { filter }) : picture;
    yield;
    const size = { width: picture.width, height: picture.height };
    if (splits) return yield* splitIntoTiles(resized, edge, filter, size);
    return { tiles: [yield* resizeInParts(resized, { width: edge, height: edge }, { filter })], layout: size };
  }
  return processorOf(function* (conversations) {
    const split: Split[][] = [];
    for (const pictures of conversations) {
      const own: Split[] = [];
      for (const picture of pictures) own.push(yield* splitOf(picture));
      split.push(own);
    }
    const tiles = split.map((pictures) => pictures.flatMap((picture) => picture.tiles));
    if (tiles.every((list) => list.length === 0)) throw new QuintetError('data', 'no picture to process', { at: f.at });
    if (!pads && tiles.some((list) => list.length !== tiles[0]?.length)) {
      const counts = tiles.map((list) => list.length).join(', ');
      throw new QuintetError('data', `conversations of ${counts} tiles need do_pad`, { at: f.at });
    }
    return {
      tensors: yield* tensorsOf(tiles, levels, { edge, pads }),
      pictures: split.map((pictures) => pictures.map((picture) => picture.layout)),
    };
  });
}

function readIdeficsSize(f: Fields): SizeRule {
  const size = f.object('size');
  if (!size.has('longest_edge')) {
    const fixed = readFixedSize(f, 'size');
    return () => fixed;
  }
  const longest = size.count('longest_edge');
  return (picture) => scaleDown(scaleTo(picture, longest));
}

/** The longer edge becomes `longest`; the shorter one keeps the aspect ratio, cut and made even. */
function scaleTo({ width, height }: Size, longest: number): Size {
  const ratio = width / height;
  const even = (exact: number): number => Math.max(1, Math.trunc(exact) + (Math.trunc(exact) % 2));
  return width >= height
    ? { width: longest, height: even(longest / ratio) }
    : { width: even(longest * ratio), height: longest };
}

function scaleDown({ width, height }: Size): Size {
  const ratio = width / height;
  if (Math.max(width, height) <= longestEdge) return { width, height };
  return width >= height
    ? { width: longestEdge, height: Math.max(1, Math.trunc(longestEdge / ratio)) }
    : { width: Math.max(1, Math.trunc(longestEdge * ratio)), height: longestEdge };
}

/** Enlarges to multiples of `edge` and cuts; a picture of one tile is that tile alone. */
function* splitIntoTiles(picture: Picture, edge: number, filter: Resampling, original: Size): InParts<Split> {
  const multiple = (length: number): number => Math.ceil(length / edge) * edge;
  const ratio = picture.width / picture.height;
  const isWide = picture.width >= picture.height;
  const width = multiple(isWide ? picture.width : Math.trunc(multiple(picture.height) * ratio));
  const height = multiple(isWide ? Math.trunc(multiple(picture.width) / ratio) : picture.height);
  const [rows, columns] = [height / edge, width / edge];
  if (rows * columns > mostTiles) {
    const message = `a picture of ${rows} x ${columns} tiles; at most ${mostTiles} are taken`;
    throw new QuintetError('limit', message, { at: 'preprocessor_config.json' });
  }
  const enlarged = yield* resizeInParts(picture, { width, height }, { filter });
  if (width <= edge && height <= edge) return { tiles: [enlarged], layout: original };
  const tiles: Picture[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      yield;
      const tile = plainPicture(edge, edge);
      paste(tile, enlarged, { left: column * edge, top: row * edge });
      tiles.push(tile);
    }
  }
  tiles.push(yield* resizeInParts(enlarged, { width: edge, height: edge }, { filter }));
  return { tiles, layout: { ...original, grid: [rows, columns] } };
}

function* tensorsOf(
  tiles: readonly (readonly Picture[])[],
  levels: Levels,
  { edge, pads }: { readonly edge: number; readonly pads: boolean },
): InParts<Record<string, HostArray>> {
  const most = Math.max(...tiles.map((list) => list.length));
  const pixels = zerosArray('f32', [tiles.length, most, 3, edge, edge]);
  const mask = zerosArray('i64', [tiles.length, most, edge, edge]);
  const area = edge * edge;
  const target = pixels.data as Float32Array;
  for (const [b, list] of tiles.entries()) {
    for (const [n, tile] of list.entries()) {
      const offset = (b * most + n) * area;
      yield* writePlanes(tile, levels, { target, offset: offset * 3, size: { width: edge, height: edge } });
      (mask.data as BigInt64Array).fill(1n, offset, offset + area);
    }
  }
  return pads ? { pixel_values: pixels, pixel_attention_mask: mask } : { pixel_values: pixels };
}
