/** Words are scored where they are learnt alone, and a part at a time: the same losses, gradients and steps. */
import { expect, test } from 'vitest';
import { initialise } from '../../src/model/index.js';
import { networkOf } from '../../src/recipes/index.js';
import { adamw, nextToken, type Objective } from '../../src/system/index.js';
import { fields, hostArray, Random } from '../../src/tensor/index.js';
import { train } from '../../src/train/index.js';
import { planStep } from '../../src/train/step.js';
import { engine } from '../fixture.js';

const vocab = 2 ** 15;
const network = networkOf(
  fields(
    {
      ...{ model_type: 'llama', hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24 },
      ...{ vocab_size: vocab, max_position_embeddings: 32, tie_word_embeddings: true },
    },
    'config.json',
  ),
);
const fieldNames = ['input_ids', 'attention_mask', 'labels'];
const random = new Random(5);
const ids = Array.from({ length: 4 * 6 }, () => random.integer(vocab));
const batch = {
  input_ids: hostArray('i64', [4, 6], ids),
  attention_mask: hostArray('i64', [4, 6], new Array(24).fill(1)),
  labels: hostArray(
    'i64',
    [4, 6],
    ids.map((id, i) => (i % 5 === 0 ? -100 : id)),
  ),
};

/** The same, by the scores of every token. */
const { host: _, ...everywhere }: Objective = nextToken();

async function curveOf(objective: Objective, rows?: number) {
  const model = await initialise(network, { engine, seed: 2 });
  const curve: (readonly [number, number])[] = [];
  await train(model, {
    ...{ objective, train: ['**'], optimizer: adamw({ lr: 1e-2 }), steps: 3 },
    data: { fields: fieldNames, accumulates: false, ...(rows ? { rows } : {}), take: async () => [batch] },
    onStep: ({ loss, norm }) => curve.push([loss, norm]),
  });
  await model.close();
  return curve;
}

test('a step is the same by the scores of every token, a part of the rows at a time, and where words are learnt', async () => {
  const whole = await curveOf(everywhere);
  for (const parts of [await curveOf(everywhere, 4), await curveOf(nextToken())]) {
    for (const [i, numbers] of whole.entries()) {
      for (const [j, number] of numbers.entries()) expect(parts[i]?.[j]).toBeCloseTo(number, 4);
    }
  }
});

test('and no tensor of the step holds all scores', () => {
  const model = { network, adapt: (p: unknown) => p } as unknown as Parameters<typeof planStep>[0];
  const scores = (objective: Objective, rows?: number) => {
    const options = { objective, train: ['**'], fields: fieldNames };
    const { graph } = planStep(model, { ...options, ...(rows ? { rows } : {}) });
    const shapes = graph.nodes.flatMap(({ outputs }) => outputs.map(({ shape }) => shape));
    return new Set(shapes.filter((shape) => shape.at(-1) === vocab && shape.length === 3).map(([first]) => first));
  };
  expect(scores(everywhere)).toEqual(new Set(['B']));
  expect(scores(everywhere, 4)).toEqual(new Set([1]));
  expect(scores(nextToken())).toEqual(new Set([1]));
});
