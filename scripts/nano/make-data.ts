/**
 * Makes nano's pictures and questions: `npx tsx scripts/nano/make-data.ts [--pictures 60000] [--seed 1]`.
 *
 * Writes to `.cache/nano/data`: `train.jsonl` (a conversation a line: `messages` with pictures by path), and for each
 * evaluation split `seen.jsonl`, `unseen-style.jsonl`, `unseen-outline-style.jsonl` (a picture a line with its
 * questions, each to be asked alone). The same arguments make the same bytes. Work is saved a thousand pictures at a
 * time; an interrupted run goes on where it stopped.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Random, seedFor } from '../../src/tensor/index.js';
import { cacheFolder } from './art.js';
import { encodePng } from './png.js';
import { ask, converse, nameCells, questionKinds, type Turn } from './questions.js';
import { markPaintable, pictureSize, planGrid, planScene, renderScene, splits } from './scene.js';
import { type Art, loadArt } from './sprites.js';

const piece = 1000;

/** `names` and `train` are learnt from, in this order; the others are evaluations. */
const files = ['names', ...splits] as const;

interface Plan {
  readonly folder: string;
  readonly file: (typeof files)[number];
  readonly seed: number;
}

/** One picture's line, and the picture itself beside it. */
function makeOne(art: Art, { folder, file, seed }: Plan, index: number): string {
  const own = seedFor(seed, file, index);
  const random = new Random(own);
  const scene = file === 'names' ? planGrid(art, random) : planScene(art, random, file);
  const image = join('pictures', file, String(Math.floor(index / piece)), `${index}.png`);
  writeFileSync(join(folder, image), encodePng(renderScene(scene, own)));
  if (file === 'names' || file === 'train') {
    const turns = file === 'names' ? [nameCells(scene, art.objects)] : converse(scene, art.objects, random);
    return JSON.stringify({ messages: asMessages(image, turns) });
  }
  const questions = questionKinds
    .map((kind) => ask(kind, scene, art.objects, random))
    .filter((turn) => turn !== null)
    .map(({ kind, question, answer }) => ({ kind, question, answer }));
  return JSON.stringify({ image, questions });
}

function asMessages(image: string, turns: readonly Turn[]): unknown[] {
  return turns.flatMap(({ question, answer }, i) => {
    const text = { type: 'text', text: question };
    return [
      { role: 'user', content: i === 0 ? [{ type: 'image', path: image }, text] : [text] },
      { role: 'assistant', content: [{ type: 'text', text: answer }] },
    ];
  });
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
  writeFileSync(join(folder, `${file}.jsonl`), parts.map((part) => readFileSync(part, 'utf8')).join(''));
  const seconds = (performance.now() - started) / 1000;
  const rate = made === 0 ? '' : `, ${Math.round(made / seconds)} pictures a second`;
  console.log(`${file}: ${count} pictures, ${made} made now in ${seconds.toFixed(1)} s${rate}`);
}

const { values } = parseArgs({
  options: {
    names: { type: 'string', default: '12000' },
    pictures: { type: 'string', default: '60000' },
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
