/** What photographs are called: ImageNet's classes by their first name, and the everyday word for many of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../nano/art.js';

export interface PhotoName {
  readonly name: string;
  /** The kind of thing that a person would say first. */
  readonly general?: string;
}

const pinned = {
  name: 'mobilenet',
  package: '@tensorflow-models/mobilenet',
  version: '2.1.1',
  integrity: 'sha512-tv4s4UFzG74PkIwl4gT64AyRnCcNUq+s8wSzge+LN/Puc1VUuInZghrobvpNlWjZtVi1x1d1NsBD//TfOr2ssA==',
};

/** Everyday words by stretches of classes, both ends included. */
const generals: Readonly<Record<string, readonly (readonly [number, number?])[]>> = {
  fish: [
    [0, 1],
    [5, 6],
    [389, 397],
  ],
  shark: [[2, 4]],
  bird: [
    [7, 24],
    [80, 100],
    [127, 146],
  ],
  salamander: [[25, 29]],
  frog: [[30, 32]],
  turtle: [[33, 37]],
  lizard: [[38, 48]],
  crocodile: [[49, 50]],
  snake: [[52, 68]],
  spider: [[72, 77]],
  crab: [[118, 121], [125]],
  lobster: [[122, 123]],
  whale: [[147, 148]],
  dog: [[151, 268]],
  wolf: [[269, 271]],
  fox: [[277, 280]],
  cat: [[281, 285]],
  bear: [[294, 297]],
  horse: [[339]],
  panda: [[387, 388]],
  beetle: [[300, 307]],
  butterfly: [[321, 326]],
  rabbit: [[330, 332]],
  pig: [[341, 342]],
  goat: [[350]],
  sheep: [[348, 349]],
  antelope: [[351, 353]],
  squirrel: [[335]],
  monkey: [[370, 382]],
  ape: [[365, 369]],
  elephant: [[101], [385, 386]],
  plane: [[404], [895]],
  car: [[436], [468], [511], [609], [627], [656], [661], [751], [817]],
  truck: [[555], [569], [675], [717], [864], [867]],
  boat: [[472], [484], [554], [576], [625], [814], [871], [914]],
  ship: [[510], [628], [403], [724], [780], [913]],
  bus: [[654], [779], [874]],
  train: [[466], [547], [820]],
  bicycle: [[444], [671]],
  motorcycle: [[665], [670]],
  rocket: [[657], [744]],
  bridge: [[821], [839], [888]],
  fence: [[489], [716], [912]],
  guitar: [[402], [546]],
  piano: [[579], [881]],
  drum: [[541]],
  clock: [[409], [530], [892]],
  watch: [[531]],
  phone: [[487], [528], [707]],
  camera: [[732], [759]],
  gun: [[413], [763, 764]],
  knife: [[499]],
  spoon: [[910]],
  bottle: [[440], [720], [737], [898], [907]],
  bag: [[414], [636], [728], [748]],
  lamp: [[846]],
  bed: [[564]],
  sofa: [[831]],
  table: [[532]],
  tent: [[672]],
  shoe: [[502], [514], [630], [770], [774]],
  helmet: [[518], [560]],
  bread: [[930]],
  burger: [[933]],
  squash: [[940, 942]],
  apple: [[948]],
  mountain: [[970]],
  flower: [[985, 986]],
  mushroom: [[992, 997]],
  cup: [[504], [968]],
  coffee: [[967]],
  computer: [[527], [620], [681]],
  chair: [[423], [559], [765], [857]],
  hat: [[439], [515], [808]],
  ball: [[429, 430], [722], [768], [805], [852], [890]],
};

let known: readonly PhotoName[] | undefined;

export function readPhotoNames(): readonly PhotoName[] {
  if (known) return known;
  const text = readFileSync(join(packageFolder(pinned), 'dist', 'imagenet_classes.js'), 'utf8');
  // Only the first of a class's names, which never goes beyond its line.
  const rows = [...text.matchAll(/^\s*(\d+): (['"])((?:\\.|(?!\2|,).)*)/gm)];
  if (rows.length !== 1000) throw new Error(`${rows.length} classes, not 1000`);
  const generalOf = (index: number): string | undefined =>
    Object.entries(generals).find(([, stretches]) =>
      stretches.some(([from, to = from]) => index >= from && index <= to),
    )?.[0];
  known = rows.map(([, index, , written]) => {
    const name = (written as string).replaceAll('\\', '');
    const general = generalOf(Number(index));
    return { name, ...(general !== undefined ? { general } : {}) };
  });
  return known;
}
