/** A scene: which things stand where on what background, and the picture of it. */
import { Random, seedFor } from '../../src/tensor/index.js';

import {
  applyFaults,
  type Background,
  countColors,
  drawBackground,
  drawSprite,
  type Faults,
  type Look,
  type Picture,
  type Placement,
  type Texture,
  visibility,
} from './canvas.js';
import { type ColorName, colorName, colorNames, dominantColor } from './colors.js';
import type { Art, Sprite } from './sprites.js';

/** Side of a picture in pixels. */
export const pictureSize = 72;

export const splits = ['train', 'seen', 'unseen-style', 'unseen-outline-style'] as const;

/** `seen` draws new scenes in the styles of `train`; the others draw in a style that training never shows. */
export type Split = (typeof splits)[number];

/** A third of the picture in each direction: 0, 1 or 2 from the top or the left. */
export interface Cell {
  readonly row: number;
  readonly column: number;
}

export interface Thing {
  /** Index into the art's objects. */
  readonly object: number;
  readonly cell: Cell;
  /** The drawing's clear colour, if it has one. */
  readonly color: ColorName | undefined;
  /** Left, top, right, bottom as shares of the side. */
  readonly box: readonly [number, number, number, number];
  readonly placement: Placement;
}

export interface Scene {
  /** In reading order: by rows of cells, then by columns. No two share a cell. */
  readonly things: readonly Thing[];
  readonly background: Background;
  readonly backgroundColor: ColorName;
  readonly faults: Faults;
}

/** A scene's plan at random: one to four things in cells of their own. */
export function planScene(art: Art, random: Random, split: Split): Scene {
  const sprites = split === 'seen' ? art.train : art[split];
  const backgroundColor = random.pick(colorNames);
  const background = planBackground(backgroundColor, random);
  const chosen = chooseSprites(art, sprites, random);
  const looks = new Map(chosen.map((sprite) => [sprite, visibleLook(sprite, background, random, split)]));
  const free = random.shuffle(cells);
  const things = chosen.map((sprite, i) => thingIn(free[i]!, sprite, looks.get(sprite)!, random));
  things.sort((a, b) => a.cell.row - b.cell.row || a.cell.column - b.cell.column);
  return { things, background, backgroundColor, faults: planFaults(random) };
}

/**
 * A full picture: in each of the nine cells a thing of its own kind, or rarely none. It shows nine names at the cost of
 * one picture, so that names are learnt early and fast; no such picture is in an evaluation.
 */
export function planGrid(art: Art, random: Random): Scene {
  const backgroundColor = random.pick(colorNames);
  const background = planBackground(backgroundColor, random);
  const byObject = spritesByObject(art, art.train);
  const kinds = random.shuffle([...byObject.keys()]);
  const things: Thing[] = [];
  for (const cell of cells) {
    if (random.uniform() < 0.1) continue;
    const sprite = random.pick(byObject.get(kinds.pop()!)!);
    things.push(thingIn(cell, sprite, visibleLook(sprite, background, random, 'train'), random));
  }
  return { things, background, backgroundColor, faults: planFaults(random) };
}

/** The nine cells of a picture, in reading order. */
export const cells: readonly Cell[] = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => ({ row, column })));

/** A drawing that about fills its cell. */
function thingIn(cell: Cell, sprite: Sprite, look: Look, random: Random): Thing {
  const place = (third: number) => (third + 0.5) / 3 + (random.uniform() - 0.5) * 0.03;
  const [x, y, size] = [place(cell.column), place(cell.row), 0.26 + 0.07 * random.uniform()];
  const placement = {
    sprite,
    x,
    y,
    size,
    angle: 0,
    mirror: random.uniform() < 0.5,
    stretch: 1,
    look,
  };
  const box = [x - size / 2, y - size / 2, x + size / 2, y + size / 2] as const;
  return {
    object: sprite.object,
    cell,
    color: dominantColor(countColors(sprite, look)),
    box,
    placement,
  };
}

/** The picture of a scene, `size` pixels square. */
export function renderScene(scene: Scene, seed: number, size = pictureSize): Picture {
  const picture = drawBackground(size, scene.background);
  for (const { placement } of scene.things) drawSprite(picture, placement);
  applyFaults(picture, scene.faults, new Random(seedFor(seed, 'noise')));
  return picture;
}

/** One to four drawings of one to four kinds; things of one kind share their drawing. */
function chooseSprites(art: Art, sprites: readonly Sprite[], random: Random): Sprite[] {
  const total = random.uniform() < 0.35 ? 1 : 2 + random.integer(3);
  const byObject = spritesByObject(art, sprites);
  const kinds = total === 1 ? 1 : Math.min(total, 1 + random.integer(4));
  const present = [...byObject.keys()];
  const first = random.pick(present);
  const names = [first];
  while (names.length < kinds) {
    const similar = random.uniform() < 0.3;
    const category = art.objects[first]!.category;
    const object = random.pick(similar ? present.filter((o) => art.objects[o]!.category === category) : present);
    if (!names.includes(object) || (similar && random.uniform() < 0.5)) {
      if (!names.includes(object)) names.push(object);
      else names.push(random.pick(present.filter((o) => !names.includes(o))));
    }
  }
  const result = names.map((object) => random.pick(byObject.get(object)!));
  while (result.length < total) result.push(random.pick(result.slice(0, kinds)));
  return result;
}

const groupings = new WeakMap<readonly Sprite[], Map<number, Sprite[]>>();

function spritesByObject(art: Art, sprites: readonly Sprite[]): Map<number, Sprite[]> {
  const known = groupings.get(sprites);
  if (known !== undefined) return known;
  const groups = new Map<number, Sprite[]>();
  for (let object = 0; object < art.objects.length; object++) {
    const drawings = sprites.filter((sprite) => sprite.object === object);
    if (drawings.length > 0) groups.set(object, drawings);
  }
  groupings.set(sprites, groups);
  return groups;
}

/** Base colours that their names fit at sight; lightness is varied a little. */
const backgroundColors: Record<ColorName, readonly [number, number, number][]> = {
  red: [
    [214, 48, 49],
    [176, 26, 34],
    [229, 70, 66],
  ],
  orange: [
    [243, 146, 40],
    [255, 165, 60],
    [232, 126, 20],
  ],
  yellow: [
    [250, 220, 70],
    [255, 236, 120],
    [238, 204, 40],
  ],
  green: [
    [80, 170, 80],
    [140, 205, 120],
    [40, 120, 60],
  ],
  blue: [
    [70, 130, 220],
    [130, 190, 245],
    [40, 70, 170],
  ],
  purple: [
    [140, 80, 200],
    [170, 130, 230],
    [95, 50, 150],
  ],
  pink: [
    [250, 160, 190],
    [244, 120, 170],
    [255, 190, 210],
  ],
  brown: [
    [140, 90, 50],
    [110, 70, 40],
    [165, 115, 75],
  ],
  black: [
    [15, 15, 18],
    [30, 30, 32],
    [5, 5, 5],
  ],
  white: [
    [250, 250, 250],
    [244, 244, 244],
    [255, 255, 255],
  ],
  grey: [
    [140, 140, 144],
    [175, 175, 178],
    [110, 112, 115],
  ],
};

export function planBackground(name: ColorName, random: Random): Background {
  const texture =
    random.uniform() < 0.5 ? 'plain' : random.pick(['gradient', 'stripes', 'checks', 'spots'] as Texture[]);
  const near = () => {
    for (;;) {
      const base = random.pick(backgroundColors[name]);
      const light = (random.uniform() - 0.5) * 24;
      const color = base.map((c) => Math.min(255, Math.max(0, c + light + (random.uniform() - 0.5) * 12)));
      const [r, g, b] = color as [number, number, number];
      if (colorName(r, g, b) === name) return [r, g, b] as const;
    }
  };
  const period = 0.06 + 0.2 * random.uniform();
  return {
    texture,
    from: near(),
    to: near(),
    angle: random.uniform() * Math.PI * 2,
    period,
  };
}

export function planFaults(random: Random): Faults {
  const some = (chance: number, most: number) => (random.uniform() < chance ? random.uniform() * most : 0);
  return {
    brightness: (random.uniform() - 0.5) * 24,
    contrast: 0.88 + 0.24 * random.uniform(),
    noise: some(0.4, 10),
    blur: some(0.25, 0.8),
    blocks: some(0.2, 24),
  };
}

/** A look in which the drawing stands out from the background. */
export function visibleLook(sprite: Sprite, background: Background, random: Random, split: Split): Look {
  let look = planLook(sprite, random, split);
  const hidden = () =>
    Math.min(visibility(sprite, look, background.from), visibility(sprite, look, background.to)) < 0.4;
  for (let attempt = 0; hidden() && attempt < 4; attempt++) look = planLook(sprite, random, split);
  // A drawing of the background's own colour gets a contour, as a sticker has.
  const dark = background.from[0] + background.from[1] + background.from[2] > 380;
  return hidden()
    ? {
        ...look,
        outline: 0.07,
        outlineColor: dark ? [25, 25, 28] : [250, 250, 250],
      }
    : look;
}

/** Training varies how things are drawn, so that what is learnt is their shape; evaluation draws them as they are. */
export function planLook(sprite: Sprite, random: Random, split: Split): Look {
  const repaint = paintable.get(sprite) === true && random.uniform() < 0.6;
  const hue = repaint ? random.uniform() * 360 : 0;
  const plain = {
    outline: 0,
    outlineColor: [20, 20, 22] as const,
    ink: 0,
    levels: 0,
  };
  if (split !== 'train' || random.uniform() < 0.3) return { ...plain, matrix: colorMatrix(hue, 1, 1) };
  const grey = random.uniform() < 0.08;
  const turn = hue + (random.uniform() - 0.5) * 24;
  const saturation = grey ? 0 : 0.5 + 0.9 * random.uniform();
  return {
    matrix: colorMatrix(turn, saturation, 0.75 + 0.45 * random.uniform()),
    outline: random.uniform() < 0.25 ? 0.02 + 0.06 * random.uniform() : 0,
    outlineColor: random.uniform() < 0.7 ? [20, 20, 22] : [250, 250, 250],
    ink: random.uniform() < 0.3 ? random.uniform() : 0,
    levels: random.uniform() < 0.15 ? 2 + random.integer(4) : 0,
  };
}

/** Which sprites may be repainted; filled by `markPaintable`. */
const paintable = new WeakMap<Sprite, boolean>();

/** Notes which drawings may be repainted, once per art. */
export function markPaintable(art: Art): void {
  for (const role of ['train', 'unseen-style', 'unseen-outline-style'] as const)
    for (const sprite of art[role]) paintable.set(sprite, art.objects[sprite.object]!.paintable);
}

/** Turns the hue by degrees about the grey axis, scales saturation and brightness. */
function colorMatrix(degrees: number, saturation: number, brightness: number): Float64Array {
  const angle = (degrees * Math.PI) / 180;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle) / Math.sqrt(3);
  const weights = [0.299, 0.587, 0.114];
  const matrix = new Float64Array(9);
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 3; column++) {
      const turned =
        (row === column ? cos : 0) + (1 - cos) / 3 + (row === column ? 0 : (column - row + 3) % 3 === 1 ? -sin : sin);
      matrix[row * 3 + column] = turned;
    }
  const result = new Float64Array(9);
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 3; column++) {
      let grey = 0;
      for (let k = 0; k < 3; k++) grey += weights[k]! * matrix[k * 3 + column]!;
      const own = matrix[row * 3 + column]!;
      result[row * 3 + column] = brightness * (grey + saturation * (own - grey));
    }
  return result;
}
