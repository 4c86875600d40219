import { expect, test } from 'vitest';
import { siglip } from '../../src/recipes/siglip.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { expectFixture } from '../fixture.js';

test('SigLIP scores, loss and gradients equal the reference', () => expectFixture('siglip'));

test('the vision tower alone equals the reference', () => expectFixture('siglip-vision'));

test('published sizes hold as many numbers as the published files', () => {
  const count = (size: 'base-patch16-224' | 'so400m-patch14-384'): number =>
    parameterCount(declarationsOf(siglip(size)).values());
  expect(count('base-patch16-224')).toBe(203_155_970);
  expect(count('so400m-patch14-384')).toBe(877_960_498);
});
