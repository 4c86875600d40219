/** Sizes in run files, and what a stage may not say beside one. */
import { expect, test } from 'vitest';
import { fields } from '../../../src/tensor/index.js';
import { memoryLimit } from '../../../src/train/settings/memory.js';
import { bytesOfSize } from '../../../src/train/settings/size.js';

test.each([
  ['20GB', 20e9],
  ['512 MiB', 512 * 2 ** 20],
  ['1.5TiB', 1.5 * 2 ** 40],
  ['4G', undefined],
  ['4 gb', undefined],
  ['-4GB', undefined],
] as const)('%s is %s bytes', (text, bytes) => {
  expect(bytesOfSize(text)).toBe(bytes);
});

test('a limit of memory is a size above 0, in place of a micro-batch', () => {
  const read = (stage: object) => memoryLimit(fields(stage, 'stage'));
  expect(read({})).toBeUndefined();
  expect(read({ memory: '4GiB' })).toBe(4 * 2 ** 30);
  expect(() => read({ memory: 4 })).toThrow('expected a size such as 4GiB, got 4');
  expect(() => read({ memory: '0GB' })).toThrow('expected a size such as 4GiB');
  expect(() => read({ memory: '4GiB', microBatch: 2 })).toThrow('memory or microBatch, not both');
});
