/** What the README shows is run as it stands there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ggufArchitectures } from '../src/checkpoint/gguf-llama.js';
import { decoders } from '../src/parts/backbones/text-backbone.js';
import { readRunFile, runOf } from '../src/train/run-file.js';
import { blocksOf, printedBy } from './example.js';
import { temporaryFile } from './temporary.js';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blockOf = (language: string) => blocksOf(readme, language)[0] as string;

test('the twenty lines answer about the picture, and go on', { timeout: 120_000 }, () => {
  const [counted, below] = printedBy(blockOf('ts'));
  // As scene.png has it.
  expect(counted).toBe('Four.');
  expect(below).toBe('A dog.');
});

/** A table of ratios in docs/benchmarks.md: rows by name, of cells by the name of their column. */
function ratiosOf(section: string): Record<string, Record<string, string>> {
  const page = readFileSync(join(root, 'docs', 'benchmarks.md'), 'utf8');
  const [, text = ''] = page.split(`## ${section}\n`);
  const lines = (/^\| ratio \|.*\n(?:\|.*\n)+/m.exec(text)?.[0] ?? '').trim().split('\n');
  const [head = [], , ...rows] = lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
  return Object.fromEntries(
    rows.map(([name = '', ...cells]) => [name, Object.fromEntries(cells.map((cell, i) => [head[i + 1] ?? '', cell]))]),
  );
}

test('figures of speed and memory are those of the benchmarks', () => {
  const pairs = ['Q4_1 / llama.cpp Q4_1', 'Q8_0 / llama.cpp Q8_0', 'Q4_1 / transformers.js q4'];
  const rowOf = (name: string, section: string, measures: readonly string[]): string => {
    const cells = pairs.map((pair) => {
      const values = measures
        .map((measure) => ratiosOf(section)[`Quintet ${pair}`]?.[measure] ?? 'none')
        .toSorted((a, b) => Number(a) - Number(b));
      return [...new Set([values[0], values.at(-1)])].join(' – ');
    });
    return `| ${[name, ...cells].join(' | ')} |`;
  };
  const answers = ['after 64', 'after 512', 'after 1024'];
  const prompts = ['prompt of 64', 'prompt of 512', 'prompt of 1024'];
  expect(readme).toContain(rowOf('an answer, tokens/s', 'Decode', answers));
  expect(readme).toContain(rowOf('8 answers at once, tokens/s', 'Decode', ['8 at once']));
  expect(readme).toContain(rowOf('a prompt, tokens/s', 'Prefill', prompts));
  expect(readme).toContain(rowOf('resident memory', 'Memory', ['resident']));
  const [whole, eight] = ['f32', 'int8'].map((form) => ratiosOf('Train')[`Quintet LoRA ${form} / PyTorch LoRA f32`]);
  expect(readme).toContain(`${whole?.step} of the time and ${whole?.peak} of the memory of PyTorch with peft`);
  expect(readme).toContain(`in eight bits ${eight?.step} and ${eight?.peak}`);
});

test('the run file is one', async () => {
  const file = temporaryFile('run.yaml', blockOf('yaml'));
  const { llava15 } = await import('../src/recipes/index.js');
  const run = runOf(await readRunFile(file), file, { stages: llava15().stages });
  expect(run.stages.map(({ name, batch, length }) => ({ name, batch, length }))).toEqual([
    { name: 'align', batch: 32, length: { steps: 500 } },
    { name: 'instruct', batch: 16, length: { epochs: 1 } },
  ]);
});

test('the language models are those that other systems take, and GGUF is named beside those that it is read of', () => {
  const row = readme.split('\n').find((line) => line.startsWith('| language alone |')) ?? '';
  const [names, [, gguf = ''] = []] = [row.split('|')[2] ?? '', /GGUF of ([^.]*)\./.exec(row) ?? []];
  const named = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name as string).sort();
  expect(named(names)).toEqual(decoders.map((name) => name.replace(/_text$/, '')).sort());
  expect(named(gguf)).toEqual(ggufArchitectures.toSorted());
});
