/** What every recipe keeps, whatever its parts: checked at size `tiny`, on random weights and inputs. */
import { describe, expect, test } from 'vitest';
import { gradients, graph, type Tensor } from '../../src/graph/index.js';
import { initialise, isSystem, type Model, openSession } from '../../src/model/index.js';
import { featuresPerPicture } from '../../src/model/prompt.js';
import { rootScope } from '../../src/nn/index.js';
import { recipes } from '../../src/recipes/index.js';
import { nativeEngine } from '../../src/runtime/native.js';
import {
  adapterOf,
  declarationsOf,
  type HostArrays,
  inputTensors,
  type Network,
  type Stage,
  type Tensors,
} from '../../src/system/index.js';
import { type Dim, type HostArray, hostArray, Random, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { compileStep } from '../../src/train/step.js';
import { expectClose } from '../graph/close.js';

const engine = nativeEngine();

/** Tokens of a row: room for a picture and some text. */
const tokensOf = (model: Model): number =>
  Math.max(16, isSystem(model) && model.network.image ? featuresPerPicture(model.network) + 4 : 0);

/** Random inputs of two rows, each with a picture of its own. */
function inputsOf(model: Model, random: Random): HostArrays {
  const { network } = model;
  const tokens = tokensOf(model);
  const image = isSystem(model) ? model.network.image : undefined;
  const sizes: Record<string, number> = { B: 2, C: 2, M: 2, T: tokens, L: 12 };
  const numberOf = (dim: Dim): number => (typeof dim === 'number' ? dim : (sizes[dim] as number));
  const arrays = Object.entries(network.inputs).map(([name, { dtype, shape }]): [string, HostArray] => {
    const own = shape.map(numberOf);
    const values = Array.from({ length: sizeOf(own) }, (_, i) => integerOf(name, i, own.at(-1) as number, random));
    return [name, hostArray(dtype, own, dtype.startsWith('f') ? values.map(() => random.normal()) : values)];
  });
  const result = Object.fromEntries(arrays);
  if (image && isSystem(model)) {
    const count = featuresPerPicture(model.network);
    for (const row of [0, 1])
      ((result.input_ids as HostArray).data as BigInt64Array).fill(
        BigInt(image.token),
        row * tokens,
        row * tokens + count,
      );
  }
  return result;
}

function integerOf(name: string, i: number, last: number, random: Random): number {
  if (name === 'attention_mask' || name === 'patch_present') return 1;
  if (name === 'patch_positions') return i % last;
  if (name === 'token_type_ids') return i % 2;
  if (name === 'labels' && i % 3 === 0) return -100;
  return 3 + random.integer(18);
}

/** One of two rows of each input. */
function rowOf(feeds: HostArrays, row: number): HostArrays {
  const entries = Object.entries(feeds).map(([name, { dtype, shape, data }]): [string, HostArray] => {
    const size = sizeOf(shape.slice(1));
    return [name, { dtype, shape: [1, ...shape.slice(1)], data: data.slice(row * size, (row + 1) * size) }];
  });
  return Object.fromEntries(entries);
}

/** Runs what `outputs` makes of the network's outputs and its parameters, for several sets of inputs. */
async function evaluate(
  model: Model,
  given: readonly HostArrays[],
  outputs: (all: Tensors, parameters: Tensors) => Tensors,
): Promise<HostArrays[]> {
  const { network } = model;
  const { p, declarations } = rootScope();
  const all = network.forward(p, inputTensors(network.inputs));
  const parameters = Object.fromEntries([...declarations].map(([name, { tensor }]) => [name, tensor]));
  const session = await openSession(model, graph('contract', outputs(all, parameters)), declarations);
  try {
    const results: HostArrays[] = [];
    for (const feeds of given) {
      results.push(
        await session.run(Object.fromEntries(session.inputs.map((name) => [name, feeds[name] as HostArray]))),
      );
    }
    return results;
  } finally {
    await session.close();
  }
}

const stagesOf = (network: Network): readonly Stage[] =>
  'stages' in network ? (network.stages as readonly Stage[]) : [];

describe.each(recipes.map((recipe) => [recipe.name, recipe.of('tiny')] as const))('%s', (_, network) => {
  const declarations = declarationsOf(network);
  // What has stages is tested with their losses.
  const hasLoss =
    stagesOf(network).length === 0 && 'loss' in network.forward(rootScope().p, inputTensors(network.inputs));

  test('gives for two rows what it gives for each alone', async () => {
    const model = await initialise(network, { engine, seed: 3 });
    const feeds = inputsOf(model, new Random(5));
    const [both, ...each] = await evaluate(model, [feeds, rowOf(feeds, 0), rowOf(feeds, 1)], (all) => all);
    let compared = 0;
    for (const [name, whole] of Object.entries(both as HostArrays)) {
      const rows = each.map((result) => result[name] as HostArray);
      // Scores of every text with every picture, and means over a batch, are of the batch itself.
      if (whole.shape.length === 0 || whole.shape.slice(1).join() !== rows[0]?.shape.slice(1).join()) continue;
      compared++;
      expectClose(whole, { shape: whole.shape, data: rows.flatMap(toNumbers) }, name, { rtol: 2e-5, atol: 1e-7 });
    }
    expect(compared).toBeGreaterThan(0);
  });

  test.runIf(hasLoss)('has a finite gradient of its loss for every parameter', async () => {
    const model = await initialise(network, { engine, seed: 3 });
    const [slopes = {}] = await evaluate(model, [inputsOf(model, new Random(6))], ({ loss }, parameters) => {
      const found = gradients(loss as Tensor, Object.values(parameters));
      return Object.fromEntries(Object.keys(parameters).map((name, i) => [`grad/${name}`, found[i] as Tensor]));
    });
    expect(Object.keys(slopes).length).toBe(declarations.size);
    for (const [name, slope] of Object.entries(slopes)) {
      expect(toNumbers(slope).every(Number.isFinite), name).toBe(true);
    }
  });

  test.each(stagesOf(network).map((stage) => [stage.name, stage] as const))(
    'stage %s trains parameters that exist, each with a finite gradient',
    async (_, { objective, adapter: settings, ...stage }) => {
      const adapter = settings && adapterOf([settings]);
      const fresh = await initialise(network, { engine, seed: 3 });
      const model = { ...fresh, adapt: adapter?.adapt ?? fresh.adapt };
      const train = [...stage.train, ...(adapter?.parameters ?? [])];
      const feeds = inputsOf(model, new Random(7));
      const step = await compileStep(model, { objective, train, fields: Object.keys(network.inputs) });
      try {
        const read = async (declared: (typeof step.trained)[number]) => [
          declared.name,
          await model.weights.read(declared),
        ];
        const values = Object.fromEntries(await Promise.all(step.trained.map(read))) as HostArrays;
        const slopes = Object.fromEntries(
          step.trained.map(({ name, shape }) => [name, hostArray('f32', shape, new Float32Array(sizeOf(shape)))]),
        );
        const [known] = (await step.foresee([feeds], values)) as [HostArrays];
        const { total, targets } = await step.run(known, values, slopes);
        expect(Number.isFinite(total) && targets > 0).toBe(true);
        for (const [name, slope] of Object.entries(slopes))
          expect(toNumbers(slope).every(Number.isFinite), name).toBe(true);
      } finally {
        await step.close();
      }
    },
  );
});
