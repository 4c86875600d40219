/**
 * Asks Smol about pictures that it has not learnt from: `npx tsx scripts/smol/evaluate.ts [--model models/smol] [--limit N]`.
 *
 * Writes every answer to `runs/smol/evaluation.jsonl`, which `tell.ts` judges.
 * Pictures of `scenes` are combinations of things that training never shows together, in the styles of training; those of
 * `unseen-style` are drawn in a style that it never shows. Each kind of question is asked in wordings of training, and in
 * others; `absent alike` are things that are not there and share a word with one that is, `wide` are words such as "animal",
 * and of `absent` things it is asked where they are, what colour they have, and whether they have a certain one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Picture } from '../../src/media/index.js';
import { asSystem, Chat, load, type PicturedChat } from '../../src/model/index.js';
import { Random, seedFor } from '../../src/tensor/index.js';
import { loadArt } from './art.js';
import { general } from './general.js';
import type { Answered } from './judge.js';
import { loadPhotographs, photographQuestions } from './photographs.js';
import { drawPicture, type Plan, pictureSide } from './pictures.js';
import { modelFolder, workFolder } from './places.js';
import { ask, askForAlike, askForWide } from './questions.js';
import { type Evaluation, evaluationPlan, evaluationSeed, evaluations } from './splits.js';
import { questionKinds, type Turn, turnKinds, type Wording } from './wordings.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: modelFolder },
    limit: { type: 'string', default: '10000' },
    output: { type: 'string', default: join(workFolder, 'evaluation.jsonl') },
  },
});
const limit = Number(values.limit);
if (!Number.isInteger(limit) || limit < 1) throw new Error(`--limit: expected a whole number, got ${values.limit}`);
const art = await loadArt();
const model = asSystem(await load(values.model));
const chat = await Chat.open(model);
const batch = 16;

/** So many pictures are asked about together: what a chat has seen of them it remembers. */
const together = 32;
const answered: Answered[] = [];

interface Asked extends Omit<Answered, 'said'> {
  readonly picture: Picture;
}

function chatOf({ question, picture }: Pick<Asked, 'question' | 'picture'>): PicturedChat {
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: question }];
  return { messages: [{ role: 'user', content }], pictures: [picture] };
}

/** Questions of a kind together, whose answers are about as long: a batch takes as long as the longest. */
async function answerAll(asked: readonly Asked[]): Promise<void> {
  const sorted = turnKinds.flatMap((kind) => asked.filter((one) => one.kind === kind));
  for (let from = 0; from < sorted.length; from += batch) {
    const part = sorted.slice(from, from + batch);
    const said = await chat.answers(part.map(chatOf), { maxTokens: 80 });
    for (const [i, { picture: _, ...rest }] of part.entries()) {
      answered.push({ ...rest, said: said[i] as string });
    }
  }
}

function pictureOf({ name }: Evaluation, index: number, plan: Plan): Picture {
  const drawn = drawPicture(plan, evaluationSeed(name, index));
  return { width: pictureSide, height: pictureSide, data: drawn.data };
}

/** What is asked about a picture of an evaluation. */
function askedAbout(evaluation: Evaluation, index: number): Asked[] {
  const plan = evaluationPlan(art, evaluation, index);
  const picture = pictureOf(evaluation, index, plan);
  const random = new Random(seedFor(6, evaluation.name, index));
  const other: Wording = index % 2 === 1 ? 'new' : 'trained';
  const asked: Asked[] = [];
  const put = (set: string, wording: Wording, turn: Turn | undefined): void => {
    if (turn) asked.push({ set, wording, picture, shown: `${evaluation.name} ${index}`, ...turn });
  };
  // Few drawings have one clear colour, so that all are asked about theirs.
  for (const kind of index < limit ? questionKinds : (['color', 'is-color', 'its-color'] as const)) {
    const wordings = kind !== 'describe' ? [other] : new Set<Wording>(['trained', other]);
    for (const wording of wordings) put(evaluation.name, wording, ask(kind, art, plan, { random, wording }));
  }
  if (index >= limit) return asked;
  const apart = new Random(seedFor(7, evaluation.name, index));
  // As POPE's adversarial form asks for what is likely and not there (arXiv 2305.10355).
  put(`${evaluation.name}, absent alike`, 'trained', askForAlike(art, plan, { random: apart, wording: 'trained' }));
  put(`${evaluation.name}, wide`, other, askForWide(art, plan, { random: apart, wording: other }));
  for (const kind of ['where', 'color', 'is-color'] as const) {
    put(`${evaluation.name}, absent`, other, ask(kind, art, plan, { random: apart, wording: other, absent: 1 }));
  }
  return asked;
}

for (const evaluation of evaluations) {
  const pictures = evaluation.name === 'drawings' ? evaluation.count : Math.min(evaluation.count, limit);
  const before = answered.length;
  for (let from = 0; from < pictures; from += together) {
    const some = Array.from({ length: Math.min(together, pictures - from) }, (_, i) => from + i);
    await answerAll(some.flatMap((index) => askedAbout(evaluation, index)));
  }
  console.log(`${evaluation.name}: ${answered.length - before} questions`);
}
for (const photograph of await loadPhotographs()) {
  const { picture, cutOut } = photograph;
  for (const turn of photographQuestions(photograph, new Random(seedFor(8, photograph.file, 0)))) {
    const [said = ''] = await chat.answers([chatOf({ question: turn.question, picture })], { maxTokens: 60 });
    answered.push({
      set: cutOut ? 'photographs, cut out' : 'photographs',
      ...{ shown: basename(photograph.file), wording: 'trained', said, ...turn },
    });
  }
}
const scenes = evaluations.find(({ name }) => name === 'scenes') as Evaluation;
for (const [i, [question, accepted]] of Object.entries(general.new).entries()) {
  const asked = {
    shown: `scenes ${i}`,
    kind: 'general',
    wording: 'new',
    question,
    answer: accepted.join(' or '),
    accepted,
  } as const;
  const picture = pictureOf(scenes, i, evaluationPlan(art, scenes, i));
  const beside = await chat.answers([chatOf({ question, picture })], { maxTokens: 60 });
  const alone = await chat.answers([{ messages: [{ role: 'user', content: question }], pictures: [] }], {
    maxTokens: 60,
  });
  for (const [set, [said = '']] of [
    ['general knowledge, beside a scene', beside],
    ['general knowledge, alone', alone],
  ] as const)
    answered.push({ ...asked, set, said });
}
mkdirSync(workFolder, { recursive: true });
writeFileSync(values.output, answered.map((one) => `${JSON.stringify(one)}\n`).join(''));

await chat.close();
await model.close();
