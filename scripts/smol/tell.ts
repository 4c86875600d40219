/**
 * Judges what Smol answered: `npx tsx scripts/smol/tell.ts [--answers runs/smol/evaluation.jsonl] [--card]`.
 *
 * Prints tables of Markdown; with `--card` they are written into the model's card, beside samples.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConcepts } from './concepts.js';
import { type Answered, judge } from './judge.js';
import { modelFolder, workFolder } from './places.js';
import { reached, samples, tables } from './tables.js';

const { values } = parseArgs({
  options: {
    answers: { type: 'string', default: join(workFolder, 'evaluation.jsonl') },
    card: { type: 'boolean', default: false },
  },
});
const concepts = readConcepts().map(({ name }) => name);
const judged = readFileSync(values.answers, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const answered = JSON.parse(line) as Answered;
    return { ...answered, ...judge(answered, concepts) };
  });
const asked = new Set(judged.flatMap(({ set, shown }) => (set === 'scenes' ? [shown] : []))).size;
const found = `At most ${asked} pictures of each set.\n\n${reached(judged)}\n\n${tables(judged)}`;
console.log(found);
if (values.card) {
  const file = join(modelFolder, 'README.md');
  let card = readFileSync(file, 'utf8');
  for (const [name, text] of Object.entries({ evaluation: found, samples: samples(judged) })) {
    const pattern = new RegExp(`(<!-- ${name} -->\\n).*?(\\n<!-- end -->)`, 's');
    if (!pattern.test(card)) throw new Error(`${file}: there is no place for the ${name}`);
    card = card.replace(pattern, (_, before: string, after: string) => `${before}${text}${after}`);
  }
  writeFileSync(file, card);
}
