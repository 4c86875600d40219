/** Experts that are asked about equally often: routers, the loss of their balance, and runs that learn it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Model, traceNetwork } from '../../src/model/index.js';
import {
  type BalanceOptions,
  cpo,
  distil,
  dpo,
  grpo,
  type HostArrays,
  kto,
  nextToken,
  type Objective,
  orpo,
  simpo,
} from '../../src/system/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/index.js';
import { engine, expectFixture, expectSame, fixtureJson, fixtureTensors, withModel } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { ofEarlier, open, pass } from './objectives.js';
import { runFolder } from './runs.js';
import { logOf } from './small-runs.js';

const name = 'expert-balance';

test('routers, their balance, the loss with it and all gradients equal transformers', () =>
  expectFixture(name, '', {}, { forward: 2e-6, gradient: 2e-5 }));

const own = async (objective: Objective) => {
  const batch = (await fixtureTensors(name, 'inputs')) as HostArrays;
  let found: Awaited<ReturnType<typeof pass>> | undefined;
  await withModel(name, async (model) => {
    found = await pass({ objective, model }, [batch]);
  });
  return found as NonNullable<typeof found>;
};

test("the objective learns it by the configuration's weight, or by its own", async () => {
  const expected = await fixtureTensors(name, 'expected');
  const number = (key: string): number => toNumbers(expected[key] as HostArray)[0] as number;
  const found = await own(nextToken());
  expect(found.loss).toBeCloseTo(number('loss'), 5);
  expect(found.metrics['loss/balance']).toBeCloseTo(number('aux_loss'), 5);
  const slopes = Object.keys(expected).filter((key) => key.startsWith('grad/'));
  expect(slopes).toHaveLength(60);
  for (const key of slopes) {
    const wanted = expected[key] as HostArray;
    expectSame(found.slopes[key.slice('grad/'.length)], wanted, key, { rtol: 2e-5, atol: 1e-8 });
  }
  const alone = await own(nextToken({ balance: 0 }));
  expect(alone.loss).toBeCloseTo(number('loss') - 0.35 * number('aux_loss'), 5);
  expect(alone.metrics).toEqual({});
  const more = await own(nextToken({ balance: 2 }));
  expect(more.loss).toBeCloseTo(alone.loss + 2 * number('aux_loss'), 5);
});

const opened = async (folder: string): Promise<Model> => {
  const model = await open('expert-preference', folder);
  onTestFinished(() => model.close());
  return model;
};

const base = { beta: 0.2 };
const clipped = { beta: 0.05, epsilon: 0.1, epsilonHigh: 0.25, iterations: 2 };
test.each<[string, (own?: BalanceOptions) => Objective, string]>([
  ['dpo', (own) => dpo({ ...base, ...own }), 'pairs'],
  ['orpo', (own) => orpo({ ...base, ...own }), 'pairs'],
  ['simpo', (own) => simpo({ beta: 2, margin: 0.4, ...own }), 'pairs'],
  ['cpo', (own) => cpo({ ...base, smoothing: 0.15, ...own }), 'pairs'],
  ['kto', (own) => kto({ ...base, undesirable: 1.4, ...own }), 'rated'],
  ['grpo', (own) => ofEarlier(grpo({ ...clipped, ...own })), 'groups'],
])('%s learns it as TRL does, by the weight of the configuration or by its own', async (loss, objective, form) => {
  const [model, policy] = [await opened('reference'), await opened('model')];
  const [inputs, expected] = [
    await fixtureTensors('expert-preference', 'inputs'),
    await fixtureTensors('expert-preference', 'expected'),
  ];
  const take = (names: readonly string[], prefix = '') =>
    Object.fromEntries(names.map((key) => [key.replace(prefix, ''), inputs[key] as HostArray]));
  const words = ['input_ids', 'attention_mask', 'labels'];
  const batches: Record<string, () => HostArrays> = {
    pairs: () => take([...words, 'chosen', 'rejected']),
    rated: () => take([...words, 'desirable', ...words.map((key) => `other_${key}`)]),
    groups: () => ({
      ...take(
        words.map((key) => `group_${key}`),
        'group_',
      ),
      rewards: inputs.rewards as HostArray,
      ...{ advantages: expected.advantages as HostArray, old_logps: expected.old_logps as HostArray },
    }),
  };
  const batch = batches[form]?.() as HostArrays;
  const number = (key: string): number => toNumbers(expected[key] as HostArray)[0] as number;
  const found = await pass({ objective: objective(), model, policy }, [batch]);
  expect(found.loss).toBeCloseTo(number(`loss.${loss}`), 5);
  expect(found.norm / number(`norm.${loss}`)).toBeCloseTo(1, 4);
  const uneven = number(form === 'groups' ? 'group_aux_loss' : 'aux_loss');
  expect(found.metrics['loss/balance']).toBeCloseTo(uneven, 5);
  const slopes = Object.keys(expected).filter((key) => key.startsWith(`grad.${loss}.`));
  expect(slopes.filter((key) => key.includes('block_sparse_moe.gate'))).toHaveLength(1);
  for (const key of slopes) {
    const wanted = expected[key] as HostArray;
    expectSame(found.slopes[key.slice(`grad.${loss}.`.length)], wanted, key, { rtol: 5e-5, atol: 1e-8 });
  }
  const alone = await pass({ objective: objective({ balance: 0 }), model, policy }, [batch]);
  expect(alone.loss).toBeCloseTo(number(`loss.${loss}`) - 0.35 * uneven, 5);
  expect(alone.metrics).not.toHaveProperty('loss/balance');
});

test('distillation learns it beside what the teacher says', async () => {
  const model = await opened('model');
  const { input_ids, attention_mask, labels } = (await fixtureTensors('expert-preference', 'inputs')) as HostArrays;
  const given = { input_ids, attention_mask, labels } as HostArrays;
  const { logits: teacher_logits } = await traceNetwork(model, given, { want: ['logits'] });
  const batch = { ...given, teacher_logits: teacher_logits as HostArray };
  const expected = await fixtureTensors('expert-preference', 'expected');
  const found = await pass({ objective: distil(), model }, [batch]);
  // It is its own teacher: nothing else is left.
  expect(found.loss).toBeCloseTo(0.35 * (toNumbers(expected.aux_loss as HostArray)[0] as number), 5);
});

test('samples that share rows are balanced like samples with rows of their own', async () => {
  const {
    input_ids: ids,
    attention_mask: mask,
    labels,
  } = (await fixtureTensors(name, 'inputs')) as Record<string, HostArray>;
  await withModel(name, async (model) => {
    const places = {
      ...(ids as HostArray),
      data: ((ids as HostArray).data as BigInt64Array).map((_, i) => BigInt(i % 9)),
    };
    const balance = async (attention_mask: HostArray | undefined): Promise<number> => {
      const given = { input_ids: ids, attention_mask, labels, position_ids: places } as HostArrays;
      const { aux_loss } = await traceNetwork(model, given, { want: ['aux_loss'] });
      return toNumbers(aux_loss as HostArray)[0] as number;
    };
    const numbered = {
      ...(mask as HostArray),
      data: ((mask as HostArray).data as BigInt64Array).map((one) => one * 3n),
    };
    expect(await balance(numbered)).toBeCloseTo(await balance(mask), 6);
  });
});

test('a run tells how uneven they are; what has no experts refuses a weight for it', async () => {
  const chats = [{ messages: fixtureJson('mixtral', 'messages.json') as unknown as object[] }];
  const one = { name: 'one', train: ['**'], data: 'words.jsonl', batch: 1, steps: 3, optimizer: { lr: 1e-3 } };
  const objective = { kind: 'next-token', balance: 0.01, learn: 'all' };
  const { folder, file } = runFolder({ stages: [{ ...one, objective }] }, 'mixtral');
  writeFileSync(join(folder, 'words.jsonl'), jsonLines(chats));
  await runFile(file, { engine });
  for (const { metrics } of logOf(folder, 'one')) {
    expect((metrics as Record<string, number>)['loss/balance']).toBeGreaterThan(1);
  }
  expect(readFileSync(join(folder, 'out/run.json'), 'utf8')).toContain('"balance": 0.01');
  const other = runFolder({ stages: [{ ...one, data: 'chats.jsonl', objective }] });
  await expect(runFile(other.file, { engine })).rejects.toThrow(/no experts to balance/);
});
