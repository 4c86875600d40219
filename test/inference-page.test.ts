/** The code of docs/inference.md, all blocks as one program, does what the page says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { blocksOf, printedBy } from './example.js';

const page = readFileSync(new URL('../docs/inference.md', import.meta.url), 'utf8');

test('every way to ask gives the same answers about the picture', { timeout: 120_000 }, () => {
  const [count, below] = ['Four.', 'A dog.']; // as scene.png has it
  const both = `${count} ${below}`;
  const printed = printedBy(blocksOf(page, 'ts').join('\n'));
  expect(printed.slice(0, 3), 'asked, asked again, forked').toEqual([count, below, both]);
  expect(printed.slice(3, 5), 'restored, with penalties').toEqual([count, count]);
  expect(printed.slice(5), 'in a batch, with lookup, with a draft').toEqual([both, count, count]);
});
