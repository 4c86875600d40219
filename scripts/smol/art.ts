/** The drawings that Smol's pictures are made of, rasterised once: emoji in several styles, and flags. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { artStyles, iconSvg, loadIcons } from '../nano/art.js';
import { misleading } from '../nano/objects.js';
import { halvings, rasteriseSvg, type Sprite } from '../nano/sprites.js';
import { readConcepts } from './concepts.js';
import { readFlags } from './flags.js';
import { workFolder } from './places.js';

/** The longer side of a drawing, in pixels. */
const side = 160;

/** Drawn only when what was learnt is tried on a style that it has not seen. */
export const unseenStyle = 'openmoji';

/** What names a drawing, by its index among the concepts or the flags. */
export interface Art {
  readonly concepts: readonly string[];
  readonly flags: readonly string[];
  /** Of each concept, its drawings; `object` is its index. */
  readonly drawings: readonly (readonly Sprite[])[];
  readonly unseen: readonly (readonly Sprite[])[];
  readonly banners: readonly Sprite[];
}

type Known = Omit<Sprite, 'levels'>;

/** Every drawing, from the cache where it is there. */
export async function loadArt(): Promise<Art> {
  const concepts = readConcepts();
  const flags = readFlags();
  const [table, pixels] = [join(workFolder, 'sprites.json'), join(workFolder, 'sprites.bin')];
  if (!existsSync(table)) await rasterise(table, pixels);
  const records = JSON.parse(readFileSync(table, 'utf8')) as Known[];
  const bytes = readFileSync(pixels);
  const size = side * side * 4;
  const sprites = records.map((known, i): Sprite => {
    const square = new Uint8Array(bytes.buffer, bytes.byteOffset + i * size, size);
    return { ...known, levels: halvings(square, side) };
  });
  const of = (choose: (sprite: Sprite) => boolean): Sprite[][] => {
    const groups = concepts.map((): Sprite[] => []);
    for (const sprite of sprites.filter(choose)) groups[sprite.object]?.push(sprite);
    return groups;
  };
  return {
    concepts: concepts.map(({ name }) => name),
    flags: flags.map(({ name }) => name),
    drawings: of(({ style }) => style !== unseenStyle && style !== 'flag'),
    unseen: of(({ style }) => style === unseenStyle),
    banners: sprites.filter(({ style }) => style === 'flag'),
  };
}

async function rasterise(table: string, pixels: string): Promise<void> {
  const records: Known[] = [];
  const squares: Uint8Array[] = [];
  const add = async (svg: string, known: Pick<Known, 'object' | 'drawing' | 'style'>): Promise<void> => {
    const { square, width, height } = await rasteriseSvg(svg, side);
    records.push({ ...known, width, height });
    squares.push(square);
  };
  for (const { name: style } of artStyles) {
    const icons = loadIcons(artStyles.find(({ name }) => name === style) as (typeof artStyles)[number]);
    for (const [object, { drawings }] of readConcepts().entries()) {
      for (const [drawing, icon] of drawings.entries()) {
        const svg = iconSvg(icons, [icon], misleading[style] ?? []);
        if (svg !== undefined) await add(svg, { object, drawing, style });
      }
    }
    console.log(`art: ${style}, ${records.length} drawings so far`);
  }
  for (const [object, { svg }] of readFlags().entries()) await add(svg, { object, drawing: 0, style: 'flag' });
  mkdirSync(workFolder, { recursive: true });
  writeFileSync(pixels, Buffer.concat(squares));
  writeFileSync(`${table}.partial`, JSON.stringify(records));
  renameSync(`${table}.partial`, table);
}
