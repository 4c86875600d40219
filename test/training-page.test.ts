/** The code of docs/training-in-a-program.md, all blocks as one program, trains what the page says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { runFile } from '../src/train/index.js';
import { blocksOf, printedBy } from './example.js';
import { engine } from './fixture.js';
import { gillFolder } from './train/gill.js';

const page = readFileSync(new URL('../docs/training-in-a-program.md', import.meta.url), 'utf8');

test('boxes, masks, codes and what says pictures are learnt', { timeout: 120_000 }, () => {
  const { folder } = gillFolder();
  // The tiny GILL has no weights.
  const code = blocksOf(page, 'ts')
    .join('\n')
    .replace("load('./gill')", `load(${JSON.stringify(join(folder, 'base'))}, { fresh: 1 })`)
    .replace("'captions.jsonl'", JSON.stringify(join(folder, 'captions.jsonl')));
  const lines = printedBy(code).map((line) => line.split(' '));
  expect(lines.map(([name]) => name)).toEqual(['detect', 'segment', 'quantise', 'say-pictures']);
  for (const [name, first, last] of lines) expect(Number(last) / Number(first), name).toBeLessThan(0.8);
});

test("the run file of the page is one: the recipe's stage learns", async () => {
  const [example = ''] = blocksOf(page, 'yaml');
  const [stage] = (parse(example) as { stages: Record<string, unknown>[] }).stages;
  const { file } = gillFolder({ ...stage, steps: 2 });
  const losses: number[] = [];
  await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  expect(losses).toHaveLength(2);
});
