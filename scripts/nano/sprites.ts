/** Drawings as small premultiplied pictures with their halvings, so that a scene is composed without any decoder. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';

import { type ArtStyle, artStyles, cacheFolder, iconSvg, loadIcons } from './art.js';
import { misleading, type ObjectKind, objects } from './objects.js';

/** The longer side of a drawing, in pixels. */
export const spriteSize = 96;

export interface Sprite {
  /** Index into `objects`. */
  readonly object: number;
  readonly drawing: number;
  readonly style: string;
  /** Width and height of what is drawn, as a share of the square. */
  readonly width: number;
  readonly height: number;
  /** Premultiplied RGBA squares, each half as wide as the one before: here of 96, 48, 24 and 12 pixels. */
  readonly levels: readonly Uint8Array[];
}

export interface Art {
  readonly objects: readonly ObjectKind[];
  readonly train: readonly Sprite[];
  readonly 'unseen-style': readonly Sprite[];
  readonly 'unseen-outline-style': readonly Sprite[];
}

interface SpriteRecord {
  readonly object: number;
  readonly drawing: number;
  readonly style: string;
  readonly width: number;
  readonly height: number;
}

const bytesPerSprite = spriteSize * spriteSize * 4;

/** Every drawing of every style, rasterised once and cached. */
export async function loadArt(): Promise<Art> {
  const table = join(cacheFolder, 'sprites.json');
  const pixels = join(cacheFolder, 'sprites.bin');
  const key = JSON.stringify([spriteSize, misleading, objects, artStyles]);
  const cached = existsSync(table) ? (JSON.parse(readFileSync(table, 'utf8')) as { key: string }) : undefined;
  if (cached?.key !== key) await rasterise(key, table, pixels);
  const { records } = JSON.parse(readFileSync(table, 'utf8')) as { records: SpriteRecord[] };
  const bytes = readFileSync(pixels);
  const sprites = records.map((record, i) => ({
    ...record,
    levels: halvings(new Uint8Array(bytes.buffer, bytes.byteOffset + i * bytesPerSprite, bytesPerSprite)),
  }));
  const of = (role: ArtStyle['role']) =>
    sprites.filter(({ style }) => artStyles.some(({ name, role: itsRole }) => name === style && itsRole === role));
  return {
    objects,
    train: of('train'),
    'unseen-style': of('unseen-style'),
    'unseen-outline-style': of('unseen-outline-style'),
  };
}

async function rasterise(key: string, table: string, pixels: string): Promise<void> {
  const records: SpriteRecord[] = [];
  const squares: Uint8Array[] = [];
  for (const style of artStyles) {
    const icons = loadIcons(style);
    for (const [object, kind] of objects.entries())
      for (const [drawing, names] of kind.drawings.entries()) {
        const svg = iconSvg(icons, names, misleading[style.name]);
        if (svg === undefined) continue;
        const { square, width, height } = await rasteriseSvg(svg);
        records.push({ object, drawing, style: style.name, width, height });
        squares.push(square);
      }
  }
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(pixels, Buffer.concat(squares));
  writeFileSync(`${table}.partial`, JSON.stringify({ key, records }));
  renameSync(`${table}.partial`, table);
}

/** Draws an SVG, cuts it to what is visible, and fits it into a square of so many pixels. */
export async function rasteriseSvg(
  svg: string,
  side = spriteSize,
): Promise<{ square: Uint8Array; width: number; height: number }> {
  const large = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const box = visibleBox(large.data, large.info.width, large.info.height);
  const scale = side / Math.max(box.width, box.height);
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  const { info } = large;
  const small = await sharp(large.data, { raw: { width: info.width, height: info.height, channels: 4 } })
    .extract(box)
    .resize(width, height, { fit: 'fill' })
    .raw()
    .toBuffer();
  const square = new Uint8Array(side * side * 4);
  const left = (side - width) >> 1;
  const top = (side - height) >> 1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 4;
      const to = ((y + top) * side + x + left) * 4;
      const alpha = small[from + 3]!;
      for (let c = 0; c < 3; c++) square[to + c] = Math.round((small[from + c]! * alpha) / 255);
      square[to + 3] = alpha;
    }
  return { square, width: width / side, height: height / side };
}

function visibleBox(rgba: Uint8Array, width: number, height: number) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (rgba[(y * width + x) * 4 + 3]! > 24) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y);
      }
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** A square of so many pixels on a side, and its averages over 2, 4 and 8 pixels. */
export function halvings(square: Uint8Array, side = spriteSize): Uint8Array[] {
  const levels = [square];
  for (let size = side / 2; size >= side / 8; size /= 2) {
    const above = levels[levels.length - 1]!;
    const level = new Uint8Array(size * size * 4);
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let c = 0; c < 4; c++) {
          const from = (2 * y * 2 * size + 2 * x) * 4 + c;
          const sum = above[from]! + above[from + 4]! + above[from + 8 * size]! + above[from + 8 * size + 4]!;
          level[(y * size + x) * 4 + c] = (sum + 2) >> 2;
        }
    levels.push(level);
  }
  return levels;
}
