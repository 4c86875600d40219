import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { benchmarks } from '../../bench/benchmarks/all.js';
import { type Run, runAsJson, runAsMarkdown, short, withSection } from '../../bench/harness/report.js';

const run: Run = {
  benchmark: {
    name: 'walk',
    title: 'Walk',
    about: 'Metres on foot.',
    measures: [
      { name: 'speed', unit: 'm/s', better: 'more' },
      { name: 'rest', unit: 's', better: 'less' },
    ],
    pairs: [
      ['hare', 'tortoise'],
      ['hare', 'snail'],
    ],
  },
  machine: {
    processor: 'Field',
    cores: 2,
    features: ['avx2'],
    memory: 8,
    governor: undefined,
    realtime: true,
    load: 0.04,
    versions: { Node: '20.1.0', grass: '1.2.3' },
  },
  rounds: 3,
  results: { hare: { speed: [18, 12, 15], rest: [3600, 1200, 2400] }, tortoise: { speed: [0.1, 0.3, 0.2] } },
  leftOut: { snail: 'it is not there' },
};

describe('the report of a run', () => {
  test('has a table of medians and bests, ratios, who is missing, and the machine', () => {
    expect(runAsMarkdown(run, { date: '2026-01-02', command: 'npm run bench -- walk' })).toBe(
      [
        '## Walk',
        '',
        'Metres on foot.',
        '',
        '|  | speed, m/s | rest, s |',
        '|---|--:|--:|',
        '| hare | 15.0 (18.0) | 2400 (1200) |',
        '| tortoise | 0.20 (0.30) |  |',
        '',
        '| ratio | speed |',
        '|---|--:|',
        '| hare / tortoise | 75.00 |',
        '',
        'Left out: snail (it is not there).',
        '',
        '`npm run bench -- walk`, 2026-01-02, medians (bests) of 3 rounds. Field, 2 cores (avx2), 8 GiB, ' +
          'governor unknown, real-time priority, load 0.0 before. Node 20.1.0, grass 1.2.3.',
      ].join('\n'),
    );
  });

  test('is the same as data', () => {
    expect(runAsJson(run)).toMatchObject({
      benchmark: 'walk',
      contenders: [
        {
          name: 'hare',
          measures: [
            { name: 'speed', unit: 'm/s', median: 15, best: 18, values: [18, 12, 15] },
            { name: 'rest', unit: 's', median: 2400, best: 1200, values: [3600, 1200, 2400] },
          ],
        },
        { name: 'tortoise', measures: [{ name: 'speed', median: 0.2, best: 0.3 }] },
      ],
      pairs: [{ ours: 'hare', theirs: 'tortoise', ratios: { speed: 75 } }],
      leftOut: { snail: 'it is not there' },
    });
  });

  test('of one round has no bests', () => {
    const once = { ...run, rounds: 1, results: { hare: { speed: [15] } } };
    const text = runAsMarkdown(once, { date: '2026-01-02', command: 'walk' });
    expect(text).toContain('| hare | 15.0 |  |');
    expect(text).toContain('`walk`, 2026-01-02, one round. Field');
  });

  test('names no pair and no table of ratios where one of each pair is missing', () => {
    const alone = { ...run, results: { hare: { speed: [15] } } };
    const text = runAsMarkdown(alone, { date: '2026-01-02', command: 'walk' });
    expect(text).not.toContain('ratio');
    expect(text).toContain('| hare | 15.0 |  |');
  });
});

test.each([
  [1234.5, '1235'],
  [123.45, '123'],
  [12.345, '12.3'],
  [9.999, '10.00'],
  [0.1234, '0.12'],
  [0, '0.00'],
])('%d is written %s', (value, text) => expect(short(value)).toBe(text));

describe('the page of results', () => {
  const titles = ['One', 'Two', 'Three'];

  test('gets a section where the order says', () => {
    const page = withSection('# Page\n\nOpening.\n\n## Three\n\nthird\n', '## One\n\nfirst', titles);
    expect(page).toBe('# Page\n\nOpening.\n\n## One\n\nfirst\n\n## Three\n\nthird\n');
    expect(withSection('# Page\n', '## Two\n\nsecond', titles)).toBe('# Page\n\n## Two\n\nsecond\n');
  });

  test('has a section replaced in place, and keeps all others', () => {
    const page = '# Page\n\n## One\n\nold\n\n### Part\n\nold\n\n## Two\n\nsecond\n\n## Notes\n\nby hand\n';
    const replaced = withSection(page, '## One\n\nnew', titles);
    expect(replaced).toBe('# Page\n\n## One\n\nnew\n\n## Two\n\nsecond\n\n## Notes\n\nby hand\n');
    expect(withSection(replaced, '## One\n\nnew', titles)).toBe(replaced);
  });

  test('has no section but those that a benchmark writes', () => {
    const page = readFileSync(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8');
    const written = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    const known = benchmarks.map(({ title }) => title);
    expect(written).toEqual(known.filter((title) => written.includes(title)));
  });
});

test('every pair of a benchmark is of two of its contenders, whose names differ', () => {
  for (const { name, contenders, pairs } of benchmarks) {
    const names = contenders.map((contender) => contender.name);
    expect(new Set(names).size, name).toBe(names.length);
    for (const pair of pairs) expect(names, `${name}: ${pair}`).toEqual(expect.arrayContaining([...pair]));
  }
});
