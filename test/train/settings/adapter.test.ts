/** The setting `adapter`: what docs/run-files.md says of it is read. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { select } from '../../../src/nn/index.js';
import { llama, nano } from '../../../src/recipes/index.js';
import { type Adapter, adapterKinds, declarationsOf } from '../../../src/system/index.js';
import { fields } from '../../../src/tensor/index.js';
import { checkAdapted } from '../../../src/train/settings/adapted.js';
import { type AdapterRequest, adapterOf, learningIn } from '../../../src/train/settings/adapter.js';
import { blocksOf } from '../../example.js';

const page = readFileSync(new URL('../../../docs/run-files.md', import.meta.url), 'utf8');
const section = /## Adapters\n(.*?)\n## /s.exec(page)?.[1] ?? '';
const read = (file: unknown) => adapterOf(fields(file, 'page'));

test('the example of the page is read', () => {
  const [example] = blocksOf(section, 'yaml');
  const on = ['language_model.**.{q,v}_proj'];
  expect(read(parse(example as string))).toEqual({ kind: 'dora', rank: 8, alpha: 16, on });
});

test('the table of the page has every kind, with settings that it has', () => {
  const names = (text = ''): string[] => [...text.matchAll(/`([\w-]+)`/g)].map(([, name]) => name as string);
  const rows = [...section.matchAll(/^\| (`[^|]+) \|([^|]*)\|/gm)].map(([, kinds, settings]) => ({
    kinds: names(kinds),
    settings: names(settings?.replace(/\(.*?\)/g, '')),
  }));
  expect(new Set(rows.flatMap(({ kinds }) => kinds))).toEqual(new Set(adapterKinds));
  for (const { kinds, settings } of rows) {
    const refusals = (setting: string) =>
      kinds.map((kind) => {
        try {
          return read({ adapter: { kind, [setting]: {} } });
        } catch (error) {
          return (error as Error).message;
        }
      });
    for (const setting of settings.filter((name) => !kinds.includes(name) && name !== 'on')) {
      expect(refusals(setting)).toContainEqual(expect.not.stringContaining(`there is no field "${setting}"`));
    }
  }
});

test('a table of words goes by the name of its layer or of its weight', () => {
  const network = nano('tiny');
  const tableOf = (table: string) => {
    const request = read({ adapter: { kind: 'words', table, ids: [1] } });
    const [settings] = learningIn({ network }, request, { steps: 1 }).settings ?? [];
    return settings?.kind === 'words' ? settings.table : undefined;
  };
  const weight = 'language_model.model.embed_tokens.weight';
  for (const name of [weight, 'language_model.model.embed_tokens', '**.embed_tokens'])
    expect(tableOf(name)).toBe(weight);
  expect(() => tableOf('language_model.model.embed_tokn')).toThrow(
    /^adapter\.table: the pattern "language_model\.model\.embed_tokn" matches no table\n {2}the nearest is language_model\.model\.embed_tokens$/,
  );
  expect(() => tableOf('**.{q,v}_proj')).toThrow(/^adapter\.table: expected one table, got \d+/);
});

test.each<[unknown, RegExp]>([
  [{ kind: 'lora', rank: 2, on: [] }, /adapter\.on: expected a pattern of layers, or several, or all-linear, got \[\]/],
  [{ kind: 'lora', rank: 2 }, /adapter\.on: expected a pattern of layers, or several, or all-linear, got nothing/],
  [{ kind: 'lora', r: 2, on: ['**'] }, /there is no field "r"; did you mean "rank"\?/],
  [{ kind: 'lora', rank: 2, target_modules: ['**'] }, /there is no field "target_modules"; did you mean "on"\?/],
  ['lora', /adapter: a new adapter is an object, such as \{ kind: lora, … \}\n.*\.\/lora$/],
  [{ kind: 'lora', rank: 2, alpha: 0, on: ['**'] }, /adapter\.alpha: expected a number above 0, got 0/],
  [{ kind: 'words', table: 't', ids: [] }, /adapter\.ids: expected one id of a word or more, got \[\]/],
  [{ kind: 'words', table: 't', ids: [1.5] }, /adapter\.ids: expected one id/],
  [{ kind: 'words', table: 't', ids: [-1] }, /adapter\.ids: expected one id/],
])('%j is refused with what is wrong', (adapter, message) => {
  expect(() => read({ adapter })).toThrow(message);
});

test.each([nano('tiny'), llama('tiny')])(
  '`all-linear` of $name is every linear layer but the head, as in PEFT',
  (network) => {
    const layersBy = (on: unknown): Set<string> => {
      const request = read({ lora: { rank: 1, on } });
      const { adapter } = learningIn({ network }, request, { steps: 1 });
      if (request && adapter) checkAdapted(network, request, adapter);
      const names = [...declarationsOf(network, adapter?.adapt).keys()];
      return new Set(names.flatMap((name) => /^(.*)\.lora_A\.weight$/.exec(name)?.[1] ?? []));
    };
    const all = layersBy('all-linear');
    expect(layersBy('**.q_proj')).toEqual(new Set([...all].filter((path) => path.endsWith('.q_proj'))));
    const weights = [...declarationsOf(network).values()].filter(({ shape }) => shape.length === 2);
    const paths = weights.map(({ name }) => name.replace(/\.weight$/, ''));
    expect(all).toEqual(new Set(paths.filter((path) => !/lm_head$|embed|position/.test(path))));
  },
);

test('what other libraries call by its end alone is told as a pattern', () => {
  const network = nano('tiny');
  const request = read({ lora: { rank: 1, on: ['q_proj', 'v_proj'] } });
  const { adapter } = learningIn({ network }, request, { steps: 1 });
  expect(() => checkAdapted(network, request as AdapterRequest, adapter as Adapter)).toThrow(
    /^lora\.on: the pattern "q_proj" matches no layer\n {2}a pattern is of whole names: "\*\*\.q_proj" matches \d+, such as \S+\.q_proj$/,
  );
});

test.each(['adapted', 'all'])('biases of a model that has none (%s) are nothing to learn', (bias) => {
  const network = llama('tiny');
  const request = read({ lora: { rank: 1, on: '**.q_proj', bias } });
  const { adapter } = learningIn({ network }, request, { steps: 1 });
  const names = [...declarationsOf(network, adapter?.adapt).keys()];
  const learns = select(names, adapter?.parameters ?? [], 'train');
  expect(learns.map((name) => name.replace(/.*\.q_proj\./, ''))).toEqual(
    learns.map((_, i) => `lora_${'AB'[i % 2]}.weight`),
  );
});
