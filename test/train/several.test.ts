/** Several ranks that train one model: what they learn is what one learns. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProcessGroup } from '../../src/parallel/index.js';
import { type RunOptions, runFile } from '../../src/train/run.js';
import { engine } from '../fixture.js';
import { groupsOf } from '../parallel/groups.js';
import { expectAlike, logOf, weightsOf } from './alike.js';
import { runFolder, stage } from './runs.js';

/** Trains with several ranks, of which only the first is told `options`. */
async function together(file: string, size: number, options: (group: ProcessGroup) => RunOptions = () => ({})) {
  const groups = size === 1 ? [undefined] : groupsOf(size);
  return Promise.all(groups.map((group) => runFile(file, { engine, ...(group ? { group, ...options(group) } : {}) })));
}

const whole = {
  stages: [
    stage({ name: 'align', batch: 3, microBatch: 2, train: ['multi_modal_projector.**'] }),
    stage({
      name: 'instruct',
      batch: 4,
      train: ['language_model.**', 'multi_modal_projector.**'],
      steps: 6,
      saveEvery: 2,
    }),
  ],
};

test.each([2, 3])('%i ranks give the losses, norms and weights of one', async (size) => {
  const [alone, shared] = [runFolder(whole), runFolder(whole)];
  const [one] = await together(alone.file, 1);
  const several = await together(shared.file, size);
  expect(one?.stopped).toBe(false);
  expect(several).toEqual(Array(size).fill({ stopped: false, folder: join(shared.folder, 'out/model') }));
  for (const name of ['align', 'instruct']) expectAlike(logOf(shared.folder, name), logOf(alone.folder, name));
  expectAlike(await weightsOf(shared.folder), await weightsOf(alone.folder));
});

test('more ranks than samples: those without any learn all the same', async () => {
  const settings = { stages: [stage({ name: 'align', batch: 2, train: ['multi_modal_projector.**'] })] };
  const [alone, shared] = [runFolder(settings), runFolder(settings)];
  await together(alone.file, 1);
  await together(shared.file, 3);
  expectAlike(logOf(shared.folder, 'align'), logOf(alone.folder, 'align'));
});

test('a run that one rank stops goes on with another number of ranks', async () => {
  const [alone, shared] = [runFolder(whole), runFolder(whole)];
  await together(alone.file, 1);
  const controller = new AbortController();
  const stopped = await together(shared.file, 3, ({ rank }) => ({
    // The last one alone hears of it.
    ...(rank === 2 ? { signal: controller.signal } : {}),
    onStep: ({ name }, { step }) => name === 'instruct' && step === 3 && controller.abort(),
  }));
  expect(stopped).toEqual(Array(3).fill({ stopped: true }));
  expect(logOf(shared.folder, 'instruct')).toHaveLength(3);
  await together(shared.file, 2);
  expectAlike(logOf(shared.folder, 'instruct'), logOf(alone.folder, 'instruct'));
  expectAlike(await weightsOf(shared.folder), await weightsOf(alone.folder));
});
