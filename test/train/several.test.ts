/** Several ranks that train one model: what they learn is what one learns. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Dataset } from '../../src/data/index.js';
import type { ProcessGroup } from '../../src/parallel/index.js';
import { kto } from '../../src/system/index.js';
import { QuintetError } from '../../src/tensor/index.js';
import { type RunOptions, runFile } from '../../src/train/run.js';
import { stepSamples } from '../../src/train/step-samples.js';
import { checkShares } from '../../src/train/train.js';
import { engine } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { groupsOf } from '../parallel/groups.js';
import { expectAlike, logOf, weightsOf } from './alike.js';
import { chats, runFolder, stage } from './runs.js';

/** Trains with several ranks, of which only the first is told `options`. */
async function together(file: string, size: number, options: (group: ProcessGroup) => RunOptions = () => ({})) {
  const groups = size === 1 ? [undefined] : groupsOf(size);
  return Promise.all(groups.map((group) => runFile(file, { engine, ...(group ? { group, ...options(group) } : {}) })));
}

/** Samples that contradict those that are learnt from: their loss falls, as for any answers, and soon rises. */
const contradicting = (): string =>
  jsonLines(
    chats.map(({ messages: [question] }) => ({
      messages: [question, { role: 'assistant', content: 'a small house' }],
    })),
  );

test('three ranks, of which one stops the run, and two that go on give the losses, norms and weights of one', async () => {
  const train = ['language_model.**', 'multi_modal_projector.**'];
  const stages = [
    stage({ name: 'align', batch: 3, microBatch: 2, steps: 3, train: ['multi_modal_projector.**'] }),
    stage({ name: 'instruct', batch: 4, steps: 5, train }),
  ];
  const [alone, shared] = [runFolder({ stages }), runFolder({ stages })];
  const [one] = await together(alone.file, 1);
  expect(one?.stopped).toBe(false);

  const controller = new AbortController();
  const stopped = await together(shared.file, 3, ({ rank }) => ({
    // The last one alone hears of it.
    ...(rank === 2 ? { signal: controller.signal } : {}),
    onStep: ({ name }, { step }) => name === 'instruct' && step === 3 && controller.abort(),
  }));
  expect(stopped).toEqual(Array(3).fill({ stopped: true }));
  expect(logOf(shared.folder, 'instruct')).toHaveLength(3);

  const ended = await together(shared.file, 2);
  expect(ended).toEqual(Array(2).fill({ stopped: false, folder: join(shared.folder, 'out/model'), answers: true }));
  for (const name of ['align', 'instruct']) expectAlike(logOf(shared.folder, name), logOf(alone.folder, name));
  expectAlike(await weightsOf(shared.folder), await weightsOf(alone.folder));
}, 180_000);

test('more ranks than samples: those without any learn all the same', async () => {
  const settings = { stages: [stage({ name: 'align', batch: 2, steps: 2, train: ['multi_modal_projector.**'] })] };
  const [alone, shared] = [runFolder(settings), runFolder(settings)];
  await together(alone.file, 1);
  await together(shared.file, 3);
  expectAlike(logOf(shared.folder, 'align'), logOf(alone.folder, 'align'));
});

test('several ranks that meet all samples epoch by epoch tolerate as many bad ones as one', async () => {
  const bad = new Set([3, 11]);
  const dataset: Dataset = {
    ...{ path: 'data.jsonl', count: 20, where: (index) => `data.jsonl:${index + 1}` },
    read: async (index) => {
      if (bad.has(index)) throw new QuintetError('data', 'no', { at: `data.jsonl:${index + 1}` });
      return { id: `${index}`, messages: [], pictures: [], where: `data.jsonl:${index + 1}` };
    },
    lengths: async () => [],
    close: async () => {},
  };
  /** Of each rank, what 20 epochs come to. */
  const epochs = (badShare: number) =>
    Promise.allSettled(
      [0, 1, 2, 3].map(async (rank) => {
        const told = new Set<string>();
        const onBad = ({ message }: Error) => told.add(message);
        const share = { rank, size: 4 };
        const samples = stepSamples(dataset, { batch: 4, badShare, share, onBad }, async () => ({}));
        for (let step = 0; step < 100; step++) await samples.take(step);
        return told.size;
      }),
    );
  expect(await epochs(0.1)).toEqual(Array(4).fill({ status: 'fulfilled', value: 2 }));
  const refused = expect.stringContaining('2 of 20 samples cannot be used, more than 5 %');
  expect(await epochs(0.05)).toEqual(
    Array(4).fill({ status: 'rejected', reason: expect.objectContaining({ message: refused }) }),
  );
});

test('evaluations are shared: their losses and answers, what stays the best, and when to end early', async () => {
  const settings = {
    stages: [
      stage({
        ...{ name: 'align', batch: 4, steps: 12, train: ['language_model.**'], optimizer: { lr: 3e-2 } },
        evaluate: { data: 'others.jsonl', every: 2, batch: 1 },
        samples: [
          { pictures: ['two.png'], prompt: 'What do you see?', maxTokens: 5 },
          { prompt: 'How many birds?', maxTokens: 4 },
          { pictures: ['one.png'], prompt: 'What do you see?', maxTokens: 3 },
        ],
        keepBest: true,
        earlyStopping: { patience: 2 },
      }),
    ],
  };
  const [alone, shared] = [runFolder(settings), runFolder(settings)];
  for (const { folder } of [alone, shared]) writeFileSync(join(folder, 'others.jsonl'), contradicting());
  await together(alone.file, 1);
  await together(shared.file, 2);
  const log = logOf(alone.folder, 'align');
  expect(log.filter(({ evaluation }) => evaluation).length).toBeGreaterThan(3);
  expect(log.at(-1)?.step).toBeLessThan(12);
  expectAlike(logOf(shared.folder, 'align'), log);
  expectAlike(await weightsOf(shared.folder), await weightsOf(alone.folder));
});

const lora = { rank: 4, alpha: 8, on: ['language_model.**.{q,v}_proj'] };
const ratings = [
  { prompt: 'How many birds?', completion: 'nothing at all', label: false },
  { images: ['one.png'], prompt: '<image>What do you see?', completion: 'a tall tree', label: true },
  { prompt: 'How many birds?', completion: 'two birds', label: true },
  { images: ['two.png'], prompt: '<image>What do you see?', completion: 'a tree', label: false },
];
const prompts = ratings.map(({ completion, label, ...prompt }) => prompt);

test.each<[string, readonly object[], object]>([
  [
    'what draws its own answers',
    prompts,
    { objective: { kind: 'grpo', reward: './reward.ts', answers: 3, maxTokens: 4 } },
  ],
])('%s does so over all ranks', async (_, records, settings) => {
  const stages = [stage({ name: 'prefer', data: 'records.jsonl', batch: 4, steps: 3, lora, ...settings })];
  const [alone, shared] = [runFolder({ stages }), runFolder({ stages })];
  for (const { folder } of [alone, shared]) {
    writeFileSync(join(folder, 'records.jsonl'), jsonLines(records));
    writeFileSync(
      join(folder, 'reward.ts'),
      'export default (answers: { answer: string }[]) => answers.map(({ answer }) => answer.length % 7);',
    );
  }
  await together(alone.file, 1);
  await together(shared.file, 3);
  expectAlike(logOf(shared.folder, 'prefer'), logOf(alone.folder, 'prefer'));
});

test('what compares all samples of a step is for one rank', () => {
  const [one, two] = [groupsOf(1)[0], groupsOf(2)[0]];
  const objective = { name: 'contrastive', whole: true };
  expect(() => checkShares(kto(), two as ProcessGroup)).toThrow('kto compares all samples');
  expect(() => checkShares(objective, one as ProcessGroup)).not.toThrow();
  expect(() => checkShares(objective, two as ProcessGroup)).toThrow(
    'contrastive compares all samples of a step: 2 processes cannot share them',
  );
});
