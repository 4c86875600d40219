/**
 * Asks Smol about pictures that it has not learnt from: `npx tsx scripts/smol/evaluate.ts [--model models/smol] [--limit N]`.
 *
 * Prints tables of Markdown with 95 % intervals, and writes every answer to `runs/smol/evaluation.jsonl`. Pictures of `scenes`
 * are combinations of things that training never shows together, in the styles of training; those of `unseen-style` are
 * drawn in a style that it never shows. Each kind of question is asked in wordings of training, and in others.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Picture } from '../../src/media/index.js';
import { asSystem, Chat, load, type PicturedChat } from '../../src/model/index.js';
import { Random, seedFor } from '../../src/tensor/index.js';
import { interval } from '../interval.js';
import { loadArt } from './art.js';
import { type Judged, judge, namesOneOf, presence } from './judge.js';
import { loadPhotographs, photographQuestions } from './photographs.js';
import { drawPicture, pictureSide } from './pictures.js';
import { modelFolder, workFolder } from './places.js';
import { ask, type QuestionKind, questionKinds, type Wording } from './questions.js';
import { evaluationPlan, evaluationSeed, evaluations } from './splits.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: modelFolder },
    limit: { type: 'string', default: '10000' },
    output: { type: 'string', default: join(workFolder, 'evaluation.jsonl') },
  },
});
const art = await loadArt();
const model = asSystem(await load(values.model));
const chat = await Chat.open(model);
const batch = 8;
const judged: Judged[] = [];

interface Asked {
  readonly set: string;
  readonly kind: QuestionKind;
  readonly wording: Wording;
  readonly picture: Picture;
  readonly question: string;
  readonly answer: string;
}

function chatOf({ question, picture }: Pick<Asked, 'question' | 'picture'>): PicturedChat {
  const content = [{ type: 'image' as const }, { type: 'text' as const, text: question }];
  return { messages: [{ role: 'user', content }], pictures: [picture] };
}

async function answerAll(asked: readonly Asked[]): Promise<void> {
  for (let from = 0; from < asked.length; from += batch) {
    const part = asked.slice(from, from + batch);
    const said = await chat.answers(part.map(chatOf), { maxTokens: 80 });
    for (const [i, { picture: _, ...rest }] of part.entries()) {
      judged.push({ ...rest, said: said[i] as string, ...judge(rest, said[i] as string, art.concepts) });
    }
  }
}

for (const evaluation of evaluations) {
  const asked: Asked[] = [];
  for (let index = 0; index < Math.min(evaluation.count, Number(values.limit)); index++) {
    const plan = evaluationPlan(art, evaluation, index);
    const drawn = drawPicture(plan, evaluationSeed(evaluation.name, index));
    const picture: Picture = { width: pictureSide, height: pictureSide, data: drawn.data };
    const random = new Random(seedFor(6, evaluation.name, index));
    for (const kind of questionKinds) {
      const wording: Wording = kind !== 'describe' && index % 2 === 1 ? 'new' : 'trained';
      const turn = ask(kind, art, plan, { random, wording });
      if (turn) asked.push({ set: evaluation.name, wording, picture, ...turn });
      if (kind === 'describe') {
        const other = ask(kind, art, plan, { random, wording: 'new' });
        if (other && index % 2 === 1) asked.push({ set: evaluation.name, wording: 'new', picture, ...other });
      }
    }
  }
  await answerAll(asked);
  console.log(`${evaluation.name}: ${asked.length} questions`);
}
for (const photograph of await loadPhotographs()) {
  const { accepted, picture, cutOut } = photograph;
  for (const { kind, question, answer } of photographQuestions(photograph)) {
    const [said = ''] = await chat.answers([chatOf({ question, picture })], { maxTokens: 60 });
    const right = kind === 'describe' ? namesOneOf(accepted, said) : said.toLowerCase().startsWith(answer);
    judged.push({
      set: cutOut ? 'photographs, cut out' : 'photographs',
      kind,
      wording: 'trained',
      question,
      answer,
      said,
      right,
    });
  }
}
mkdirSync(workFolder, { recursive: true });
writeFileSync(values.output, judged.map((one) => `${JSON.stringify(one)}\n`).join(''));

const sets = [...new Set(judged.map(({ set }) => set))];
for (const set of sets) {
  const kinds = questionKinds.filter((kind) => judged.some((one) => one.set === set && one.kind === kind));
  console.log(`\n| ${set} | trained wordings | new wordings |\n|---|---|---|`);
  for (const kind of kinds) {
    const [trained, other] = (['trained', 'new'] as const).map((wording) =>
      judged.filter((one) => one.set === set && one.kind === kind && one.wording === wording),
    ) as [Judged[], Judged[]];
    const row = (name: string, tell: (asked: readonly Judged[]) => string): void =>
      console.log(`| ${name} | ${tell(trained)} | ${tell(other)} |`);
    row(kind, (asked) => interval(asked.map(({ right }) => right)));
    if (kind === 'is-there' && set !== 'flags') row('… F1 of yes', presence);
  }
  const named = judged.filter((one) => one.set === set && one.named !== undefined);
  if (named.length > 0) {
    console.log(`| … its thing named | ${interval(named.map((one) => one.named === true))} | |`);
  }
  const found = judged.filter((one) => one.set === set && one.things);
  if (found.length > 0) {
    const total = (pick: (one: NonNullable<Judged['things']>) => number): number =>
      found.reduce((sum, one) => sum + pick(one.things as NonNullable<Judged['things']>), 0);
    console.log(
      `| … things found | ${((100 * total((t) => t.found)) / total((t) => t.shown)).toFixed(1)} (${total((t) => t.shown)} shown) | |`,
    );
    console.log(
      `| … things said that are there | ${((100 * total((t) => t.found)) / total((t) => t.said)).toFixed(1)} (${total((t) => t.said)} said) | |`,
    );
  }
}
await chat.close();
await model.close();
