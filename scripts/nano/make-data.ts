/**
 * Makes nano's pictures and questions: `npx tsx scripts/nano/make-data.ts [--pictures 40000] [--seed 1]`.
 *
 * Writes to `.cache/nano/data`: what is learnt as `names.jsonl`, `places.jsonl`, `finds.jsonl` and `answers.jsonl` (a conversation a line:
 * `messages` with pictures by path), and for each evaluation `seen.jsonl`, `unseen-style.jsonl` and
 * `unseen-outline-style.jsonl` (a picture a line with its questions, each to be asked alone). The same arguments make the
 * same bytes. Pictures are saved a thousand at a time; an interrupted run goes on where it stopped.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Random, seedFor } from '../../src/tensor/index.js';
import { cacheFolder } from './art.js';
import { encodePng } from './png.js';
import { ask, colorCells, nameCells, pickQuestions, type QuestionKind, questionKinds, type Turn } from './questions.js';
import { markPaintable, pictureSize, planGrid, planScene, renderScene, type Scene, splits } from './scene.js';
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

/** Draws one picture; returns its line, with what an evaluation asks about it. */
function makeOne(art: Art, { folder, file, seed }: Plan, index: number): string {
  const own = seedFor(seed, file, index);
  const random = new Random(own);
  const scene = planOf(art, file, random);
  const image = pathOf(file, index);
  writeFileSync(join(folder, image), encodePng(renderScene(scene, own)));
  if (file === 'names' || file === 'train') return JSON.stringify({ image });
  const questions = questionKinds
    .map((kind) => ask(kind, { scene, objects: art.objects, random }))
    .filter((turn) => turn !== null)
    .map(({ kind, question, answer }) => ({ kind, question, answer }));
  return JSON.stringify({ image, questions });
}

/**
 * Writes what is learnt from the pictures, a question and its answer a line: `names.jsonl` and `places.jsonl` tell the names
 * and the colours of the nine cells of full pictures, and of full ones and scenes in turn; `finds.jsonl` asks where things are
 * in scenes and what is at a place, and of full pictures for that or for a list; `answers.jsonl` asks about scenes, and now
 * and then about cells.
 */
function writeLessons(art: Art, folder: string, seed: number, counts: { names: number; train: number }): void {
  const lessons = { names: [] as string[], places: [] as string[], finds: [] as string[], answers: [] as string[] };
  const teach = (lesson: keyof typeof lessons, file: 'names' | 'train', index: number, turn: Turn) => {
    const content = [
      { type: 'image', path: pathOf(file, index) },
      { type: 'text', text: turn.question },
    ];
    const answer = { role: 'assistant', content: [{ type: 'text', text: turn.answer }] };
    lessons[lesson].push(JSON.stringify({ messages: [{ role: 'user', content }, answer] }));
  };
  const teachable = (kind: QuestionKind, scene: Scene, random: Random) =>
    ask(kind, { scene, objects: art.objects, random, learning: true });
  // Each cell by its name and, behind all names, by its colour.
  const bothWords = (scene: Scene): Turn => {
    const [names, colors] = [nameCells(scene, art.objects), colorCells(scene, art.objects)];
    return { ...names, answer: names.answer + colors.answer };
  };
  for (let index = 0; index < counts.names; index++) {
    const random = new Random(seedFor(seed, 'names', index));
    const grid = planGrid(art, random);
    teach('names', 'names', index, bothWords(grid));
    const found = teachable(index % 2 === 0 ? 'list' : 'what-is-at', grid, new Random(seedFor(seed, 'finds', index)));
    if (found) teach('finds', 'names', index, found);
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
    }
    // One in three by colours.
    if (index % 6 === 0)
      teach('answers', 'train', index, (index % 18 === 0 ? colorCells : nameCells)(scene, art.objects));
    if (index >= Math.min(counts.names, counts.train / 4)) continue;
    const grid = planGrid(art, new Random(seedFor(seed, 'names', index)));
    teach('places', 'names', index, bothWords(grid));
    teach('places', 'train', index, bothWords(scene));
  }
  for (const [name, lines] of Object.entries(lessons)) {
    writeFileSync(join(folder, `${name}.jsonl`), `${lines.join('\n')}\n`);
    console.log(`${name}: ${lines.length} samples`);
  }
}

/** Makes what is missing of a file, in pieces, and joins the pieces into its file. */
function makeFile(art: Art, plan: Plan, count: number): void {
  const { folder, file } = plan;
  const started = performance.now();
  const parts: string[] = [];
  let made = 0;
  for (let start = 0; start < count; start += piece) {
    const part = join(folder, 'parts', `${file}-${start}-${Math.min(piece, count - start)}.jsonl`);
    parts.push(part);
    if (existsSync(part)) continue;
    mkdirSync(join(folder, 'pictures', file, String(start / piece)), { recursive: true });
    const lines: string[] = [];
    for (let index = start; index < Math.min(start + piece, count); index++) lines.push(makeOne(art, plan, index));
    writeFileSync(`${part}.partial`, `${lines.join('\n')}\n`);
    renameSync(`${part}.partial`, part);
    made += lines.length;
  }
  if (file !== 'names' && file !== 'train')
    writeFileSync(join(folder, `${file}.jsonl`), parts.map((part) => readFileSync(part, 'utf8')).join(''));
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
const art = await loadArt();
markPaintable(art);
// Pieces of other art, seeds or programs must not be mixed with these.
const key = JSON.stringify({ seed: values.seed, pictureSize, objects: art.objects, sprites: art.train.length });
const keyFile = join(values.folder, 'made-with.json');
if (existsSync(keyFile) && readFileSync(keyFile, 'utf8') !== key) rmSync(values.folder, { recursive: true });
mkdirSync(join(values.folder, 'parts'), { recursive: true });
writeFileSync(keyFile, key);
const counts = { names: values.names, train: values.pictures };
for (const file of files) {
  const count = Number(counts[file as keyof typeof counts] ?? values.evaluation);
  makeFile(art, { folder: values.folder, file, seed: Number(values.seed) }, count);
}
writeLessons(art, values.folder, Number(values.seed), { names: Number(values.names), train: Number(values.pictures) });
