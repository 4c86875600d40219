/** What tells runs apart, in the words of run files. */
import { expect, test } from 'vitest';
import { stateDifferences } from '../../src/train/state-differences.js';

const state = (lr: number, order: string) => ({
  objective: 'next-token',
  optimizer: { lr },
  data: { optimizer: order },
});

test('what batches tell hides no option that is called alike', () => {
  expect(stateDifferences(state(1, 'files'), state(2, 'files'))).toEqual(['`optimizer.lr` was 1 and is now 2']);
  expect(stateDifferences(state(1, 'files'), state(1, 'words'))).toEqual([
    '`data.optimizer` was "files" and is now "words"',
  ]);
});
