/** The code of docs/adding-a-system.md does what the page says. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../docs/adding-a-system.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => ({
  language,
  code,
}));
const [recipe = '', line = '', tests = ''] = blocks.filter(({ language }) => language === 'ts').map(({ code }) => code);

interface Exports {
  readonly vipLlava: (size: string) => { readonly stages: readonly { readonly train: readonly string[] }[] };
  readonly declarationsOf: (network: object) => ReadonlyMap<string, object>;
  readonly parameterCount: (declarations: Iterable<object>) => number;
}

/** The page's recipe as if it were a file in src/recipes, with what it takes to count parameters. */
async function recipeModule(): Promise<Exports> {
  const resolveDir = fileURLToPath(new URL('../src/recipes', import.meta.url));
  const contents = `${recipe}export { declarationsOf, parameterCount } from '../system/index.js';`;
  const options = { bundle: true, format: 'esm', platform: 'neutral', write: false } as const;
  const { outputFiles } = await build({ stdin: { contents, resolveDir, loader: 'ts' }, ...options });
  return import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`);
}

test('the recipe of the page has at most 60 lines, and its line in the list is one', () => {
  expect(recipe.trimEnd().split('\n').length).toBeLessThanOrEqual(60);
  expect(line.trimEnd().split('\n')).toHaveLength(1);
});

test('the recipe of the page has as many parameters as its test says, under the published names', async () => {
  const { vipLlava, declarationsOf, parameterCount } = await recipeModule();
  const declarations = declarationsOf(vipLlava('7b'));
  expect(tests).toContain('7_063_427_072 + 2 * 5 * 1024 + 4 * 1024 * 4096');
  expect(parameterCount(declarations.values())).toBe(7_063_427_072 + 2 * 5 * 1024 + 4 * 1024 * 4096);
  expect([...declarations.keys()]).toContain('multi_modal_projector.projector_layernorm.weight');
  expect(declarationsOf(vipLlava('tiny')).size).toBeGreaterThan(0);
});

test('what the test of the page imports is there', () => {
  const imported = [...tests.matchAll(/from '(\..*)\.js'/g)].map(([, path = '']) => path);
  expect(imported.length).toBeGreaterThan(2);
  for (const path of imported.filter((path) => !path.endsWith('vip-llava'))) {
    expect(existsSync(new URL(`parts/${path}.ts`, import.meta.url)), path).toBe(true);
  }
});
