/**
 * Drawing on a small RGB picture: backgrounds, sprites under a transform, and the faults that real pictures have.
 *
 * Coordinates are shares of the picture's side, so a scene looks the same at any size.
 */
import type { Random } from '../../src/tensor/index.js';

import { colorName, colorNames } from './colors.js';
import type { Sprite } from './sprites.js';

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  /** Rows of RGB bytes. */
  readonly data: Uint8Array;
}

type Rgb = readonly [number, number, number];

export type Texture = 'plain' | 'gradient' | 'stripes' | 'checks' | 'spots';

export interface Background {
  readonly texture: Texture;
  readonly from: Rgb;
  readonly to: Rgb;
  /** Direction of a gradient or of stripes in radians; size of stripes, checks and spots as a share of the side. */
  readonly angle: number;
  readonly period: number;
}

/** A linear map of colours, and what is drawn besides the drawing itself. */
export interface Look {
  /** Nine numbers by rows, applied to RGB. */
  readonly matrix: Float64Array;
  /** Width of a line around the drawing as a share of its size; 0 for none. */
  readonly outline: number;
  readonly outlineColor: Rgb;
  /** Darkens inner edges, 0 to 1. */
  readonly ink: number;
  /** Levels a channel is rounded to; 0 leaves it. */
  readonly levels: number;
}

export interface Placement {
  readonly sprite: Sprite;
  /** Centre. */
  readonly x: number;
  readonly y: number;
  /** The longer side of the drawing. */
  readonly size: number;
  /** Radians. */
  readonly angle: number;
  readonly mirror: boolean;
  /** Width over height is multiplied by this. */
  readonly stretch: number;
  readonly look: Look;
}

export function drawBackground(size: number, background: Background): Picture {
  const data = new Uint8Array(size * size * 3);
  const cos = Math.cos(background.angle);
  const sin = Math.sin(background.angle);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const u = (x + 0.5) / size;
      const v = (y + 0.5) / size;
      const share = mixture(background, u * cos + v * sin, v * cos - u * sin);
      for (let c = 0; c < 3; c++)
        data[(y * size + x) * 3 + c] = background.from[c]! + share * (background.to[c]! - background.from[c]!);
    }
  return { width: size, height: size, channels: 3, data };
}

/** How much of the second colour there is at a turned position. */
function mixture({ texture, period }: Background, along: number, across: number): number {
  if (texture === 'plain') return 0;
  if (texture === 'gradient') return Math.min(1, Math.max(0, (along + 0.4) / 1.8));
  const odd = (value: number) => Math.floor(value / period) & 1;
  if (texture === 'stripes') return odd(along);
  if (texture === 'checks') return odd(along) ^ odd(across);
  const fraction = (value: number) => value / period - Math.floor(value / period) - 0.5;
  return fraction(along) ** 2 + fraction(across) ** 2 < 0.08 ? 1 : 0;
}

/** Composes a placement over the picture. */
export function drawSprite(picture: Picture, placement: Placement): void {
  if (placement.look.outline > 0) drawPass(picture, placement, true);
  drawPass(picture, placement, false);
}

function drawPass(picture: Picture, placement: Placement, silhouette: boolean): void {
  const { look, sprite } = placement;
  const side = picture.width;
  const size = placement.size * (silhouette ? 1 + 2 * look.outline : 1);
  const pixels = size * side;
  const finest = Math.sqrt((sprite.levels[0] as Uint8Array).length / 4);
  const level = Math.min(sprite.levels.length - 1, Math.max(0, Math.round(Math.log2(finest / pixels))));
  const texels = finest >> level;
  const source = sprite.levels[level]!;
  const cos = Math.cos(placement.angle);
  const sin = Math.sin(placement.angle);
  const stretchX = Math.sqrt(placement.stretch) * (placement.mirror ? -1 : 1);
  const stretchY = 1 / Math.sqrt(placement.stretch);
  const reach = (size * 0.75 * Math.max(Math.abs(stretchX), stretchY) + 1 / side) * side;
  const [centerX, centerY] = [placement.x * side, placement.y * side];
  const color = new Float64Array(4);
  for (let y = Math.max(0, Math.floor(centerY - reach)); y < Math.min(side, centerY + reach); y++)
    for (let x = Math.max(0, Math.floor(centerX - reach)); x < Math.min(side, centerX + reach); x++) {
      const dx = x + 0.5 - centerX;
      const dy = y + 0.5 - centerY;
      const u = ((dx * cos + dy * sin) / (stretchX * pixels) + 0.5) * texels - 0.5;
      const v = ((dy * cos - dx * sin) / (stretchY * pixels) + 0.5) * texels - 0.5;
      if (u <= -1 || v <= -1 || u >= texels || v >= texels) continue;
      sample(source, texels, u, v, color);
      if (color[3]! < 1) continue;
      if (silhouette) for (let c = 0; c < 3; c++) color[c] = (look.outlineColor[c]! * color[3]!) / 255;
      else applyLook(look, source, texels, u, v, color);
      const at = (y * side + x) * 3;
      const behind = 1 - color[3]! / 255;
      for (let c = 0; c < 3; c++) picture.data[at + c] = clampByte(color[c]! + behind * picture.data[at + c]!);
    }
}

/** Bilinear, premultiplied; outside is transparent. */
function sample(source: Uint8Array, texels: number, u: number, v: number, color: Float64Array): void {
  const left = Math.floor(u);
  const top = Math.floor(v);
  const fx = u - left;
  const fy = v - top;
  color.fill(0);
  for (let j = 0; j < 2; j++)
    for (let i = 0; i < 2; i++) {
      const [tx, ty] = [left + i, top + j];
      if (tx < 0 || ty < 0 || tx >= texels || ty >= texels) continue;
      const weight = (i ? fx : 1 - fx) * (j ? fy : 1 - fy);
      const at = (ty * texels + tx) * 4;
      for (let c = 0; c < 4; c++) color[c]! += weight * source[at + c]!;
    }
}

const neighbour = new Float64Array(4);

function applyLook(look: Look, source: Uint8Array, texels: number, u: number, v: number, color: Float64Array): void {
  const alpha = color[3]!;
  transform(look.matrix, alpha, color);
  if (look.levels > 0)
    for (let c = 0; c < 3; c++) {
      const step = alpha / look.levels;
      color[c] = Math.min(alpha, Math.round(color[c]! / step) * step);
    }
  if (look.ink > 0) {
    const light = color[0]! + color[1]! + color[2]!;
    let edge = 0;
    for (const [du, dv] of [
      [1, 0],
      [0, 1],
    ] as const) {
      sample(source, texels, u + du, v + dv, neighbour);
      transform(look.matrix, neighbour[3]!, neighbour);
      edge += Math.abs(neighbour[0]! + neighbour[1]! + neighbour[2]! - light) / 765;
    }
    const keep = 1 - look.ink * Math.min(1, 3 * edge);
    for (let c = 0; c < 3; c++) color[c]! *= keep;
  }
}

/** Maps a premultiplied colour; no channel leaves [0, alpha]. */
function transform(m: Float64Array, alpha: number, color: Float64Array): void {
  const [r, g, b] = [color[0]!, color[1]!, color[2]!];
  for (let c = 0; c < 3; c++)
    color[c] = Math.min(alpha, Math.max(0, m[3 * c]! * r + m[3 * c + 1]! * g + m[3 * c + 2]! * b));
}

/** How often each colour name occurs in a drawing under a look, in the order of `colorNames`. */
export function countColors(sprite: Sprite, look: Look): Uint32Array {
  const counts = new Uint32Array(colorNames.length);
  const source = sprite.levels[2]!;
  const color = new Float64Array(4);
  for (let at = 0; at < source.length; at += 4) {
    const alpha = source[at + 3]!;
    if (alpha < 128) continue;
    for (let c = 0; c < 3; c++) color[c] = source[at + c]!;
    transform(look.matrix, alpha, color);
    const scale = 255 / alpha;
    counts[colorNames.indexOf(colorName(color[0]! * scale, color[1]! * scale, color[2]! * scale))]!++;
  }
  return counts;
}

/** Share of a drawing's pixels that stand out from a colour. */
export function visibility(sprite: Sprite, look: Look, behind: Rgb): number {
  const source = sprite.levels[3]!;
  const color = new Float64Array(4);
  let [seen, total] = [0, 0];
  for (let at = 0; at < source.length; at += 4) {
    const alpha = source[at + 3]!;
    if (alpha < 128) continue;
    for (let c = 0; c < 3; c++) color[c] = source[at + c]!;
    transform(look.matrix, alpha, color);
    let distance = 0;
    for (let c = 0; c < 3; c++) distance += Math.abs((color[c]! * 255) / alpha - behind[c]!);
    total++;
    if (distance > 90) seen++;
  }
  return seen / total;
}

/** What a camera or a file does to a picture. */
export interface Faults {
  readonly brightness: number;
  readonly contrast: number;
  /** Standard deviation of added noise, in bytes. */
  readonly noise: number;
  /** 0, or the share that neighbours get. */
  readonly blur: number;
  /** 0, or the step to which 8 by 8 cosine coefficients are rounded, as JPEG does. */
  readonly blocks: number;
}

export function applyFaults(picture: Picture, faults: Faults, random: Random): void {
  const { data } = picture;
  if (faults.blur > 0) blur(picture, faults.blur);
  for (let i = 0; i < data.length; i++) {
    const noise = faults.noise > 0 ? faults.noise * triangular(random) : 0;
    data[i] = clampByte((data[i]! - 128) * faults.contrast + 128 + faults.brightness + noise);
  }
  if (faults.blocks > 0) roundBlocks(picture, faults.blocks);
}

/** Mean 0, standard deviation 1: the sum of two uniform numbers of 16 bits. */
function triangular(random: Random): number {
  const bits = random.bits();
  return (((bits & 0xffff) + (bits >>> 16)) / 65536 - 1) * Math.sqrt(6);
}

function blur({ data, width, height }: Picture, share: number): void {
  const before = data.slice();
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++)
      for (let c = 0; c < 3; c++) {
        const at = (y * width + x) * 3 + c;
        const around = before[at - 3]! + before[at + 3]! + before[at - 3 * width]! + before[at + 3 * width]!;
        data[at] = (1 - share) * before[at]! + (share / 4) * around;
      }
}

/** The orthonormal cosine basis, a frequency a row, and its transpose. */
const cosines = Float64Array.from({ length: 64 }, (_, i) => {
  const [frequency, position] = [i >> 3, i & 7];
  return Math.cos(((2 * position + 1) * frequency * Math.PI) / 16) * (frequency === 0 ? Math.SQRT1_2 : 1) * 0.5;
});
const transposed = cosines.map((_, i) => cosines[(i & 7) * 8 + (i >> 3)]!);

/** Rounds the cosine coefficients of each 8 by 8 block, coarser for higher frequencies. */
function roundBlocks({ data, width, height }: Picture, step: number): void {
  const block = new Float64Array(64);
  for (let top = 0; top + 8 <= height; top += 8)
    for (let left = 0; left + 8 <= width; left += 8)
      for (let c = 0; c < 3; c++) {
        for (let i = 0; i < 64; i++) block[i] = data[((top + (i >> 3)) * width + left + (i & 7)) * 3 + c]!;
        product(cosines, block, transposed);
        for (let i = 0; i < 64; i++) {
          const coarse = step * (1 + 0.5 * ((i >> 3) + (i & 7)));
          block[i] = Math.round(block[i]! / coarse) * coarse;
        }
        product(transposed, block, cosines);
        for (let i = 0; i < 64; i++) data[((top + (i >> 3)) * width + left + (i & 7)) * 3 + c] = clampByte(block[i]!);
      }
}

const scratch = new Float64Array(64);

/** block = left · block · right; 8 by 8. */
function product(left: Float64Array, block: Float64Array, right: Float64Array): void {
  for (let i = 0; i < 64; i++) {
    let sum = 0;
    for (let k = 0; k < 8; k++) sum += left[(i & 56) + k]! * block[k * 8 + (i & 7)]!;
    scratch[i] = sum;
  }
  for (let i = 0; i < 64; i++) {
    let sum = 0;
    for (let k = 0; k < 8; k++) sum += scratch[(i & 56) + k]! * right[k * 8 + (i & 7)]!;
    block[i] = sum;
  }
}

function clampByte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
}
