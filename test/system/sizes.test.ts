/**
 * Published sizes, counted from the graph without weights. The numbers are those of transformers' classes over the published
 * configurations (embeddings as large as in the published files, a tied head counted once).
 */
import { expect, test } from 'vitest';
import { recipeNamed } from '../../src/recipes/index.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';

test.each([
  ['llava-1.5', '7b', 7_063_427_072],
  ['llava-1.5', '13b', 13_351_494_656],
  ['blip-2', 'opt-2.7b', 3_744_761_856],
  ['idefics3', 'smolvlm-256m', 256_484_928],
  ['llama', '7b', 6_738_415_616],
  ['llama', '3-8b', 8_030_261_248],
  ['llama', 'smollm2-135m', 134_515_008],
  ['opt', '125m', 125_239_296],
  ['opt', '350m', 331_196_416],
  ['opt', '2.7b', 2_651_596_800],
])('%s of size %s holds %i numbers', (name, size, count) => {
  expect(parameterCount(declarationsOf(recipeNamed(name).of(size)).values())).toBe(count);
});
