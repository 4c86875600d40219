/**
 * Published sizes, counted from the graph without weights. The numbers are those of transformers' (of VQGAN diffusers') classes over the published
 * configurations (embeddings as large as in the published files, a tied head counted once).
 */
import { expect, test } from 'vitest';
import { recipeNamed } from '../../src/recipes/index.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';

test.each([
  ['llava-1.5', '7b', 7_063_427_072],
  ['llava-1.5', '13b', 13_351_494_656],
  ['blip-2', 'opt-2.7b', 3_744_761_856],
  ['blip-2', 'opt-6.7b', 7_752_869_376],
  ['blip-2', 'flan-t5-xl', 3_942_446_592],
  ['blip-2', 'flan-t5-xxl', 12_229_596_672],
  ['idefics3', 'smolvlm-256m', 256_484_928],
  ['idefics3', '8b', 8_462_086_384],
  ['vqgan', 'f4-8192', 55_322_782],
  ['llama', '2-7b', 6_738_415_616],
  ['llama', '3-8b', 8_030_261_248],
  ['llama', 'smollm2-135m', 134_515_008],
  ['opt', '125m', 125_239_296],
  ['opt', '350m', 331_196_416],
  ['opt', '2.7b', 2_651_596_800],
  ['gpt2', 'small', 124_439_808],
  ['gpt2', 'medium', 354_823_168],
  ['gpt2', 'large', 774_030_080],
  ['gpt2', 'xl', 1_557_611_200],
  ['qwen2', '0.5b', 494_032_768],
  ['qwen2', '1.5b', 1_543_714_304],
  ['qwen2', '7b', 7_615_616_512],
  ['qwen3', '0.6b', 596_049_920],
  ['qwen3', '4b', 4_022_468_096],
  ['qwen3', '8b', 8_190_735_360],
  ['mistral', '7b', 7_241_732_096],
  ['mistral', '7b-v0.3', 7_248_023_552],
  ['mistral', 'nemo-12b', 12_247_782_400],
  ['mixtral', '8x7b', 46_702_792_704],
  ['mixtral', '8x22b', 140_620_634_112],
  ['gemma2', '2b', 2_614_341_888],
  ['gemma2', '9b', 9_241_705_984],
  ['gemma2', '27b', 27_227_128_320],
  ['gemma3', '270m', 268_098_176],
  ['gemma3', '1b', 999_885_952],
  ['gemma3', '4b', 3_880_263_168],
  ['gemma3', '12b', 11_766_034_176],
  ['gemma3', '27b', 27_009_346_304],
  ['phi3', 'mini', 3_821_079_552],
  ['phi3', '4-14b', 14_659_507_200],
])('%s of size %s holds %i numbers', (name, size, count) => {
  expect(parameterCount(declarationsOf(recipeNamed(name).of(size)).values())).toBe(count);
});
