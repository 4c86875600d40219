/**
 * Makes nano's pictures and questions: `npx tsx scripts/nano/make-data.ts [--pictures 40000] [--seed 1]`.
 *
 * Writes to `.cache/nano/data`: what is learnt as `names.jsonl`, `places.jsonl`, `reads.jsonl`, `finds.jsonl` and
 * `answers.jsonl` (a conversation a line: `messages` with pictures by path), and for each evaluation `seen.jsonl`,
 * `unseen-style.jsonl` and `unseen-outline-style.jsonl` (a picture a line with its questions, each to be asked alone). The same
 * arguments make the same bytes. Pictures that are there are not drawn again: an interrupted run goes on where it stopped.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { Random, seedFor } from '../../src/tensor/index.js';
import { cacheFolder } from './art.js';
import { encodePng } from './png.js';
import {
  ask,
  colorCells,
  findCells,
  nameCells,
  pickQuestions,
  type QuestionKind,
  questionKinds,
  type Turn,
} from './questions.js';
import { markPaintable, planGrid, planScene, renderScene, type Scene, splits } from './scene.js';
import { type Art, loadArt } from './sprites.js';

const piece = 1000;

/** Questions by which is learnt to look: for what is asked for, whose place comes first in the answer, and at a place. */
const findKinds = ['where', 'is-there', 'how-many-of', 'what-is-at'] as const;

/** `names` and `train` are learnt from, in this order; the others are evaluations. */
const files = ['names', ...splits] as const;

interface Plan {
  readonly folder: string;
  readonly file: (typeof files)[number];
  readonly seed: number;
}

/** The path of a picture within the data folder. */
const pathOf = (file: string, index: number) =>
  join('pictures', file, String(Math.floor(index / piece)), `${index}.png`);

const planOf = (art: Art, file: (typeof files)[number], random: Random) =>
  file === 'names' ? planGrid(art, random) : planScene(art, random, file);

/** Asks about each picture of an evaluation: a picture a line with its questions. */
function writeEvaluation(art: Art, { folder, file, seed }: Plan, count: number): void {
  const lines = Array.from({ length: count }, (_, index) => {
    const random = new Random(seedFor(seed, file, index));
    const scene = planOf(art, file, random);
    const questions = questionKinds
      .map((kind) => ask(kind, { scene, objects: art.objects, random }))
      .filter((turn) => turn !== null)
      .map(({ kind, question, answer }) => ({ kind, question, answer }));
    return `${JSON.stringify({ image: pathOf(file, index), questions })}\n`;
  });
  writeFileSync(join(folder, `${file}.jsonl`), lines.join(''));
}

/**
 * Writes what is learnt from the pictures, a question and its answer a line: `names.jsonl` and `places.jsonl` tell the names
 * and the colours of the nine cells of full pictures, and of full ones and scenes in turn; `reads.jsonl` asks for lists of full
 * pictures and what is at their places; `finds.jsonl` asks of each of the nine cells of the pictures of `places.jsonl` whether a
 * thing is in it; both ask about scenes where something is, whether and how often it is there, and what is at a place.
 * `answers.jsonl` asks everything about scenes, and now and then about full pictures and cells.
 */
function writeLessons(art: Art, folder: string, seed: number, counts: { names: number; train: number }): void {
  const lessons = {
    names: [] as string[],
    places: [] as string[],
    reads: [] as string[],
    finds: [] as string[],
    answers: [] as string[],
  };
  const teach = (lesson: keyof typeof lessons, file: 'names' | 'train', index: number, turn: Turn) => {
    const content = [
      { type: 'image', path: pathOf(file, index) },
      { type: 'text', text: turn.question },
    ];
    const answer = { role: 'assistant', content: [{ type: 'text', text: turn.answer }] };
    lessons[lesson].push(JSON.stringify({ messages: [{ role: 'user', content }, answer] }));
  };
  const teachable = (kind: QuestionKind, scene: Scene, random: Random) =>
    ask(kind, { scene, objects: art.objects, random, absent: 0.2, several: 0.4 });
  // Each cell by its name and, behind all names, by its colour.
  const bothWords = (scene: Scene): Turn => {
    const [names, colors] = [nameCells(scene, art.objects), colorCells(scene, art.objects)];
    return { ...names, answer: names.answer + colors.answer };
  };
  for (let index = 0; index < counts.names; index++) {
    const random = new Random(seedFor(seed, 'names', index));
    const grid = planGrid(art, random);
    teach('names', 'names', index, bothWords(grid));
    const read = teachable(index % 2 === 0 ? 'list' : 'what-is-at', grid, new Random(seedFor(seed, 'reads', index)));
    if (read) teach('reads', 'names', index, read);
    if (index % 3 > 0) continue;
    const asked = random.uniform() < 0.3 ? null : teachable('what-is-at', grid, random);
    teach('answers', 'names', index, asked ?? nameCells(grid, art.objects));
  }
  for (let index = 0; index < counts.train; index++) {
    const random = new Random(seedFor(seed, 'train', index));
    const scene = planScene(art, random, 'train');
    for (const turn of pickQuestions(scene, art.objects, random)) teach('answers', 'train', index, turn);
    // Two of the four kinds about each scene: more scenes are seen than with all four.
    for (const kind of index < counts.train / 2 ? findKinds.filter((_, i) => (i + index) % 2 === 0) : []) {
      const turn = teachable(kind, scene, random);
      if (turn) teach('finds', 'train', index, turn);
      if (turn && index < counts.train / 4) teach('reads', 'train', index, turn);
    }
    // One in three by colours.
    if (index % 6 === 0)
      teach('answers', 'train', index, (index % 18 === 0 ? colorCells : nameCells)(scene, art.objects));
    if (index >= Math.min(counts.names, counts.train / 4)) continue;
    const grid = planGrid(art, new Random(seedFor(seed, 'names', index)));
    teach('places', 'names', index, bothWords(grid));
    teach('places', 'train', index, bothWords(scene));
    const finding = new Random(seedFor(seed, 'finds', index));
    teach('finds', 'names', index, findCells(grid, art.objects, finding));
    teach('finds', 'train', index, findCells(scene, art.objects, finding));
  }
  for (const [name, lines] of Object.entries(lessons)) {
    writeFileSync(join(folder, `${name}.jsonl`), `${lines.join('\n')}\n`);
    console.log(`${name}: ${lines.length} samples`);
  }
}

/** Draws those pictures of a file that are missing. */
function drawPictures(art: Art, { folder, file, seed }: Plan, count: number): void {
  const started = performance.now();
  let made = 0;
  for (let index = 0; index < count; index++) {
    const path = join(folder, pathOf(file, index));
    if (index % piece === 0) mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) continue;
    const own = seedFor(seed, file, index);
    const scene = planOf(art, file, new Random(own));
    writeFileSync(`${path}.partial`, encodePng(renderScene(scene, own)));
    renameSync(`${path}.partial`, path);
    made++;
  }
  const seconds = (performance.now() - started) / 1000;
  const rate = made === 0 ? '' : `, ${Math.round(made / seconds)} pictures a second`;
  console.log(`${file}: ${count} pictures, ${made} made now in ${seconds.toFixed(1)} s${rate}`);
}

const { values } = parseArgs({
  options: {
    names: { type: 'string', default: '13000' },
    pictures: { type: 'string', default: '40000' },
    evaluation: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(cacheFolder, 'data') },
  },
});

/** A count among the arguments. */
function whole(name: keyof typeof values): number {
  const count = Number(values[name]);
  if (!Number.isSafeInteger(count) || count < 0)
    throw new Error(`--${name}: expected a whole number from 0 on, got ${values[name]}`);
  return count;
}

// What is wrong with any is told before the first picture is drawn.
const [seed, names, train, evaluation] = [whole('seed'), whole('names'), whole('pictures'), whole('evaluation')];
const art = await loadArt();
markPaintable(art);
// Pictures of other art, seeds or programs must not be mixed with these.
const drawing = createHash('sha256');
for (const file of ['canvas.ts', 'colors.ts', 'scene.ts', 'sprites.ts', 'art.ts'])
  drawing.update(readFileSync(join(import.meta.dirname, file)));
const key = JSON.stringify({ seed: values.seed, objects: art.objects, drawing: drawing.digest('hex') });
const { folder } = values;
const keyFile = join(folder, 'made-with.json');
if (existsSync(keyFile) && readFileSync(keyFile, 'utf8') !== key)
  throw new Error(
    `${folder}: has pictures of another seed, or of another way to draw; remove it, or name another --folder`,
  );
mkdirSync(folder, { recursive: true });
writeFileSync(keyFile, key);
for (const file of files) {
  const learnt = file === 'names' || file === 'train';
  const count = learnt ? { names, train }[file] : evaluation;
  drawPictures(art, { folder, file, seed }, count);
  if (!learnt) writeEvaluation(art, { folder, file, seed }, count);
}
writeLessons(art, folder, seed, { names, train });
