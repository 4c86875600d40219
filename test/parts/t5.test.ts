import { expect, test } from 'vitest';
import { t5 } from '../../src/recipes/t5.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { expectFixture } from '../fixture.js';

test.each([
  ['t5', ''],
  ['t5', '2'],
  ['flan-t5', ''],
  ['flan-t5', '2'],
  ['blip2-flan-t5', ''],
  ['blip2-flan-t5', '2'],
])('%s%s: states, scores, loss and gradients equal the reference', (name, set) =>
  expectFixture(name, set, {}, { forward: 2e-5, gradient: 1e-4 }),
);

test.each([
  ['small', 60_506_624],
  ['base', 222_903_552],
  ['large', 737_668_096],
  ['3b', 2_851_598_336],
  ['flan-small', 76_961_152],
  ['flan-base', 247_577_856],
  ['flan-large', 783_150_080],
  ['flan-xl', 2_849_757_184],
  ['flan-xxl', 11_135_332_352],
] as const)('size %s holds %i numbers, as the published files do', (size, count) => {
  expect(parameterCount(declarationsOf(t5(size)).values())).toBe(count);
});
