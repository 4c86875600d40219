/** The pictures that Smol learns from and is tried on: what is on them, and how they are drawn. */
import { Random, seedFor } from '../../src/tensor/index.js';
import {
  applyFaults,
  type Background,
  countColors,
  drawBackground,
  drawSprite,
  type Faults,
  type Picture,
  type Placement,
} from '../nano/canvas.js';
import { type ColorName, colorNames, dominantColor } from '../nano/colors.js';
import { planBackground, planFaults, visibleLook } from '../nano/scene.js';
import type { Sprite } from '../nano/sprites.js';
import type { Art } from './art.js';

/** Side in pixels. */
export const pictureSide = 320;

export const kinds = ['drawing', 'scene', 'flag'] as const;
export type Kind = (typeof kinds)[number];

/** Pictures of training. */
export const pictureCount = 28_800;

/** Scenes with a thing in each ninth, behind the others: of them only the ninths are learnt, nine at the cost of one. */
export const crowdCount = 7_200;

/** `seen` draws new pictures in the styles of training; `unseen-style` in another, `unseen-concept` what has no name in it. */
export type Split = 'train' | 'seen' | 'unseen-style' | 'unseen-concept';

/** A thing that lies in a ninth, and its colour, where it has a clear one. */
export interface Thing {
  readonly concept: number;
  readonly color: ColorName | undefined;
}

export interface Plan {
  readonly kind: Kind;
  /** Index of the one thing or of the flag; of a scene, what lies in each ninth, or undefined. */
  readonly named: number | undefined;
  readonly cells: readonly (Thing | undefined)[];
  readonly background: Background;
  readonly ground: ColorName;
  /** The one thing's colour, where it has a clear one. */
  readonly color: ColorName | undefined;
  readonly placements: readonly Placement[];
  readonly faults: Faults;
}

/** Concepts of which no drawing is ever in training. */
export const isHeldOut = (concept: number): boolean => seedFor(11, 'concept', concept) % 11 === 0;

/** Pairs of concepts that never stand in one scene of training. */
export const isApart = (a: number, b: number): boolean =>
  a !== b && seedFor(12, 'pair', Math.min(a, b), Math.max(a, b)) % 10 === 0;

/** One thing large, several in ninths, of a crowd in each, or a flag. */
export function planPicture(art: Art, kind: Kind | 'crowd', split: Split, seed: number): Plan {
  const random = new Random(seed);
  const ground = random.pick(colorNames);
  const background = planBackground(ground, random);
  const faults = planFaults(random);
  const base = { ground, background, faults };
  const looked = (sprite: Sprite): Placement['look'] =>
    visibleLook(sprite, background, random, split === 'train' ? 'train' : 'seen');
  if (kind === 'scene' || kind === 'crowd') {
    return { ...base, kind: 'scene', ...planThings(art, split, random, looked, kind === 'crowd') };
  }
  const sprite =
    kind === 'flag' ? random.pick(art.banners) : drawingOf(art, conceptFor(art, split, random), split, random);
  const look = kind === 'flag' ? visibleLook(sprite, background, random, 'seen') : looked(sprite);
  const size = kind === 'flag' ? 0.55 + 0.4 * random.uniform() : 0.45 + 0.45 * random.uniform();
  const within = (): number => 0.5 + (random.uniform() - 0.5) * (1 - size * 0.9);
  const placement: Placement = {
    ...{ sprite, size, look, x: within(), y: within(), stretch: 1 },
    angle: (random.uniform() - 0.5) * (kind === 'flag' ? 0.3 : 0.6),
    mirror: kind === 'drawing' && random.uniform() < 0.4,
  };
  const color = kind === 'drawing' ? clearColor(sprite, look) : undefined;
  return { ...base, kind, named: sprite.object, cells: [], color, placements: [placement] };
}

/** The one colour that a drawing clearly has under a look. */
const clearColor = (sprite: Sprite, look: Placement['look']): ColorName | undefined =>
  dominantColor(countColors(sprite, look));

/** A concept that the split may show, as likely as any other. */
function conceptFor(art: Art, split: Split, random: Random): number {
  const table = split === 'unseen-style' ? art.unseen : art.drawings;
  for (;;) {
    const concept = random.integer(art.concepts.length);
    const drawn = (table[concept]?.length ?? 0) > 0;
    if (drawn && isHeldOut(concept) === (split === 'unseen-concept')) return concept;
  }
}

function drawingOf(art: Art, concept: number, split: Split, random: Random): Sprite {
  return random.pick((split === 'unseen-style' ? art.unseen : art.drawings)[concept] as Sprite[]);
}

/** One to five things of as many kinds or fewer, each in a ninth of its own; of a crowd nine kinds. */
function planThings(
  art: Art,
  split: Split,
  random: Random,
  looked: (sprite: Sprite) => Placement['look'],
  crowd: boolean,
): Pick<Plan, 'named' | 'cells' | 'color' | 'placements'> {
  const total = crowd ? 9 : 1 + random.integer(5);
  const count = !crowd && random.uniform() < 0.35 ? 1 + random.integer(total) : total;
  const chosen = [conceptFor(art, split, random)];
  while (chosen.length < count) {
    const next = conceptFor(art, split, random);
    const apart = chosen.some((other) => isApart(other, next));
    // What is tried is a combination that training never showed.
    const wanted = split === 'train' ? !apart : apart || chosen.length > 1;
    if (!chosen.includes(next) && wanted) chosen.push(next);
  }
  const sprites = chosen.map((concept) => drawingOf(art, concept, split, random));
  const drawn = sprites.map((sprite, i) => {
    const look = looked(sprite);
    return { concept: chosen[i] as number, color: clearColor(sprite, look), sprite, look };
  });
  const places = random.shuffle(Array.from({ length: 9 }, (_, i) => i)).slice(0, total);
  const cells: (Thing | undefined)[] = new Array(9).fill(undefined);
  const placements = places.map((cell, i): Placement => {
    const which = i < count ? i : random.integer(count);
    const { concept, color, sprite, look } = drawn[which] as (typeof drawn)[number];
    cells[cell] = { concept, color };
    const at = (third: number): number => (third + 0.5) / 3 + (random.uniform() - 0.5) * 0.05;
    return {
      ...{ sprite, look, stretch: 1 },
      ...{ x: at(cell % 3), y: at(Math.floor(cell / 3)), size: 0.24 + (total === 1 ? 0.18 : 0.1) * random.uniform() },
      ...{ angle: (random.uniform() - 0.5) * 0.3, mirror: random.uniform() < 0.4 },
    };
  });
  return { named: undefined, cells, color: undefined, placements };
}

export function drawPicture(plan: Plan, seed: number): Picture {
  const picture = drawBackground(pictureSide, plan.background);
  for (const placement of plan.placements) drawSprite(picture, placement);
  applyFaults(picture, plan.faults, new Random(seedFor(seed, 'noise')));
  return picture;
}

/** Of twelve pictures in a row: five drawings, six scenes, a flag. */
export const kindOf = (index: number): Kind => {
  const place = index % 12;
  if (place === 11) return 'flag';
  return place < 5 ? 'drawing' : 'scene';
};

/** What a picture of training shows; crowds come behind the others. */
export const planOf = (art: Art, index: number): Plan =>
  planPicture(art, index < pictureCount ? kindOf(index) : 'crowd', 'train', seedOf(index));

export const seedOf = (index: number): number => seedFor(1, 'picture', index);
