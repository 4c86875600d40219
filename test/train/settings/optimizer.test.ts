import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { adamw } from '../../../src/system/index.js';
import { fields } from '../../../src/tensor/index.js';
import { checkOptimizer } from '../../../src/train/optimisers/index.js';
import { optimizerOf } from '../../../src/train/settings/optimizer.js';

const read = (text: string, base = undefined as ReturnType<typeof adamw> | undefined) =>
  optimizerOf(fields(parse(text), 'run.yaml: optimizer'), base);

test('a stage takes what is left out from its recipe, the settings of the optimiser only where it is the same', () => {
  const base = adamw({ lr: 1e-3, betas: [0.9, 0.98], decay: 0.1, warmup: 0.03, schedule: 'cosine' });
  expect(read('{}', base)).toEqual(base);
  expect(read('{ lr: 1e-4, decay: 0 }', base)).toEqual({ ...base, lr: 1e-4, decay: 0 });
  expect(read('{ kind: lion, lr: 1e-5 }', base)).toEqual({ kind: 'lion', lr: 1e-5, warmup: 0.03, schedule: 'cosine' });
  expect(() => read('{ kind: lion }', base)).toThrow('optimizer.lr: expected a number');
});

test('every kind and every curve is read with its settings', () => {
  expect(read('{ kind: muon, lr: 0.02, rest: { lr: 3e-4, on: ["**.embed_tokens.weight"] } }')).toEqual({
    ...{ kind: 'muon', lr: 0.02, rest: { lr: 3e-4, on: ['**.embed_tokens.weight'] } },
  });
  const curve = { kind: 'warmup-stable-decay', decay: { steps: 50 }, shape: '1-sqrt' };
  expect(read('{ lr: 1, warmup: 100, schedule: { kind: warmup-stable-decay, decay: 50, shape: 1-sqrt } }')).toEqual({
    ...{ kind: 'adamw', lr: 1, warmup: { steps: 100 }, schedule: curve },
  });
  expect(read('{ lr: 1, groups: [{ on: ["**.bias"], decay: 0 }], average: { decay: 0.99, use: false } }')).toEqual({
    ...{ kind: 'adamw', lr: 1, groups: [{ on: ['**.bias'], decay: 0 }], average: { decay: 0.99, use: false } },
  });
});

test.each([
  ['{ kind: adam, lr: 1, momentum: 0.9 }', /no field "momentum".*\n.*betas, eps, amsgrad/s],
  ['{ kind: adamww, lr: 1 }', /optimizer\.kind: expected one of adamw, adam/],
  ['{ lr: 1, bettas: [0.9, 0.95] }', /did you mean "betas"/],
  ['{ lr: 1, betas: [0.9] }', /optimizer\.betas: expected two numbers, got 1/],
  ['{ lr: 1, schedule: cosinus }', /optimizer\.schedule: expected one of constant, linear/],
  ['{ lr: 1, schedule: step }', /needs its field "every"\n.*\{ kind: step, every: 100 \}/],
  ['{ lr: 1, schedule: { kind: cosine, power: 2 } }', /no field "power"/],
  ['{ kind: muon, lr: 1, rest: {} }', /optimizer\.rest\.lr: expected a number/],
  ['{ lr: 1, groups: [{ lr: 2 }] }', /optimizer\.groups\[0\]\.on: expected a list of texts/],
])('%s is refused', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

describe('the examples in docs/run-files.md', () => {
  const page = readFileSync(new URL('../../../docs/run-files.md', import.meta.url), 'utf8');
  const section = page.split(/^## /m).find((text) => text.startsWith('Optimisers')) ?? '';
  const examples = [...section.matchAll(/```yaml\n(.*?)```/gs)].flatMap(([, text]) =>
    parseAllDocuments(text as string),
  );
  test('are read, and would be run', () => {
    expect(examples.length).toBeGreaterThan(4);
    for (const example of examples) {
      const { optimizer } = example.toJS() as { optimizer: unknown };
      checkOptimizer(optimizerOf(fields(optimizer, 'docs/run-files.md: optimizer'), undefined), 1000, 'optimizer');
    }
  });
});
