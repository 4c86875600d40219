/** LoRA over weights of four bits, as bitsandbytes and peft train it. */
import { expect, onTestFinished, test } from 'vitest';
import { layeredWeights, load, type Model, readAdapter, traceNetwork } from '../../src/model/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors, present } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { rows, trainFixture } from './fixture.js';

const name = 'train-qlora';
const rtol = 5e-5;

const same = (actual: HostArray | undefined, wanted: HostArray | undefined, what: string): void => {
  if (!actual || !wanted) throw new Error(`no ${what}`);
  expectClose(actual, { shape: wanted.shape, data: toNumbers(wanted) }, what, { rtol, atol: 1e-8 });
};
const sameNumbers = (actual: readonly number[], wanted: HostArray | undefined, what: string): void =>
  same(hostArray('f32', [actual.length], actual), wanted, what);

/** Asserts the logits of the first step's batch where it is not padded. */
async function expectLogits(model: Model, wanted: HostArray | undefined, what: string): Promise<void> {
  const { input_ids, attention_mask } = await fixtureTensors(name, 'inputs');
  const inputs = Object.fromEntries(
    Object.entries({ input_ids, attention_mask }).map(([key, array]) => {
      const { shape, ...rest } = rows(array as HostArray, [0]);
      return [key, { ...rest, shape: shape.slice(1) }];
    }),
  );
  const { logits } = await traceNetwork(model, inputs, { want: ['logits'] });
  expectClose(logits as HostArray, present('logits', wanted as HostArray, inputs.attention_mask), what, {
    rtol,
    atol: 0,
  });
}

test('over a checkpoint of bitsandbytes it is trained as the reference does it', async () => {
  const base = await load(`${fixturePath(name)}/model-nf4`, { engine });
  onTestFinished(() => base.close());
  const expected = await fixtureTensors(name, 'expected');
  await expectLogits(base, expected.logits_base, 'logits without an adapter');
  const before = `${fixturePath(name)}/adapter-before`;
  const { adapter, values: first } = await readAdapter(before, base.network, base.declarations);
  const model: Model = { ...base, adapt: adapter.adapt, weights: layeredWeights(base.weights, first) };
  const { reports, result } = await trainFixture(name, model, await fixtureTensors(name, 'inputs'), {
    train: adapter.parameters,
  });
  const curve = (of: 'loss' | 'norm') => reports.map((report) => report[of]);
  sameNumbers(curve('loss'), expected.losses, 'losses');
  sameNumbers(curve('norm'), expected.grad_norms, 'norms');
  const values = new Map(Object.entries(result.values));
  const after: Model = { ...model, weights: layeredWeights(base.weights, values) };
  await expectLogits(after, expected.logits_after, 'logits after the last step');
  expect(values.size).toBe(2 * 2 * 3);
});
