/** What holds of every recipe in the list, found out without any weights. */

import { describe, expect, test } from 'vitest';
import { select } from '../../src/nn/index.js';
import { recipes } from '../../src/recipes/index.js';
import { declarationsOf, type Network, parameterCount, type Stage } from '../../src/system/index.js';

const stagesOf = (network: Network): readonly Stage[] =>
  'stages' in network ? (network.stages as readonly Stage[]) : [];

test('no two recipes have one name or read one model_type', () => {
  for (const words of [recipes.map(({ name }) => name), recipes.flatMap(({ modelTypes }) => modelTypes)]) {
    expect(words.toSorted()).toEqual([...new Set(words)].sort());
  }
});

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', (_, recipe) => {
  test('has a tiny size that is far smaller than its published ones', () => {
    const counts = new Map(
      recipe.sizes.map((size) => [size, parameterCount(declarationsOf(recipe.of(size)).values())]),
    );
    const { tiny, ...published } = Object.fromEntries(counts);
    expect(tiny).toBeGreaterThan(0);
    for (const count of Object.values(published)) expect(count).toBeGreaterThan(5 * (tiny as number));
  });

  test.each(recipe.sizes)('every pattern of every stage selects parameters of size %s', (size) => {
    const network = recipe.of(size);
    const names = [...declarationsOf(network).keys()];
    for (const stage of stagesOf(network)) {
      for (const glob of stage.train) expect(select(names, [glob], stage.name).length, glob).toBeGreaterThan(0);
    }
  });
});
