/** Training what says which picture to paint, through frozen networks. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { add, gradients, graph, input, select, slice, type Tensor } from '../../src/graph/index.js';
import { openSession } from '../../src/model/compile.js';
import { load } from '../../src/model/load.js';
import { initialise, type Model } from '../../src/model/model.js';
import { traceNetwork } from '../../src/model/trace.js';
import { type Params, rootScope } from '../../src/nn/index.js';
import { mlpOutput } from '../../src/parts/output-projectors/mlp.js';
import { gill } from '../../src/recipes/gill.js';
import {
  addNoise,
  declarationsOf,
  diffusionLoss,
  type LatentDiffusion,
  parameterCount,
  sayPictures,
  squaredError,
} from '../../src/system/index.js';
import { castArray, type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixturePath, fixtureTensors } from '../fixture.js';

const name = 'conditioning-gradients';
let model: Model<LatentDiffusion>;
let given: Record<string, HostArray>;
let expected: Record<string, HostArray>;

beforeAll(async () => {
  model = (await load(`${fixturePath(name)}/model`, { engine })) as Model<LatentDiffusion>;
  given = await fixtureTensors(name, 'inputs');
  expected = await fixtureTensors(name, 'expected');
});
afterAll(() => model.close());

const forward = { rtol: 2e-5, atol: 0 };
const backward = { rtol: 1e-3, atol: 1e-8 };
const same = (actual: HostArray | undefined, key: string, tolerance = forward): void =>
  expectSame(actual, expected[key] as HostArray, key, tolerance);

type Feeds = Record<string, HostArray>;
type Tensors = Record<string, Tensor>;
const learned = { W1: 'linear_1.weight', b1: 'linear_1.bias', W2: 'linear_2.weight', b2: 'linear_2.bias' } as const;

/** Runs what `build` makes of tensors; parameters below `projector` are fed, those of the generator are its own. */
async function compute(
  feeds: Feeds,
  build: (p: Params, inputs: Tensors, parameter: (name: string) => Tensor) => Tensors,
): Promise<Feeds> {
  const { p, declarations } = rootScope();
  const isFed = (key: string): boolean => key.startsWith('projector.');
  const inputs = Object.entries(feeds).flatMap(([key, { dtype, shape }]) =>
    isFed(key) ? [] : [[key, input(key, dtype, shape)] as const],
  );
  const outputs = build(p, Object.fromEntries(inputs), (key) => declarations.get(key)?.tensor as Tensor);
  const fed = new Set([...declarations.keys()].filter(isFed));
  const session = await openSession(model, graph('test', outputs), declarations, { fed });
  try {
    return await session.run(Object.fromEntries(session.inputs.map((key) => [key, feeds[key] as HostArray])));
  } finally {
    await session.close();
  }
}

const noisy = (): Feeds => ({
  latents: given.x0 as HostArray,
  noise: given.noise as HostArray,
  times: castArray(given.timesteps as HostArray, 'f32'),
});
const batchOf = ({ latents, noise, times }: Tensors, condition: Tensor) =>
  ({ latents, noise, times, condition }) as Parameters<typeof diffusionLoss>[2];

test('the diffusion loss and its gradient by the condition equal the reference', async () => {
  const outputs = await compute({ ...noisy(), condition: given.condition as HostArray }, (p, inputs) => {
    const { latents, noise, times, condition } = inputs as Record<'latents' | 'noise' | 'times' | 'condition', Tensor>;
    const loss = diffusionLoss(model.network, p, batchOf(inputs, condition));
    const [slope] = gradients(loss, [condition]);
    return { noisy: addNoise(model.network.noise, latents, noise, times), loss, slope: slope as Tensor };
  });
  same(outputs.noisy, 'noisy');
  same(outputs.loss, 'loss_diffusion');
  same(outputs.slope, 'grad.condition', backward);
});

test('a projector learns by alignment and diffusion as in the reference', async () => {
  const [inner] = (given.W1 as HostArray).shape as [number];
  const own = Object.entries(learned).map(([theirs, ours]) => [`projector.${ours}`, given[theirs] as HostArray]);
  const feeds = {
    ...noisy(),
    hidden: given.hidden as HostArray,
    ids: expected.input_ids as HostArray,
    ...Object.fromEntries(own),
  };
  const { text, denoiser } = model.network;
  const outputs = await compute(feeds, (p, inputs, parameter) => {
    const { hidden, ids } = inputs as Record<'hidden' | 'ids', Tensor>;
    const condition = mlpOutput({ hidden: inner }).forward(p.at('projector'), hidden, denoiser.part.condition);
    const states = text.part.forward(p.at(text.prefix), { input_ids: ids }).last;
    const align = squaredError(condition, slice(states, 1, 0, condition.dim(1)));
    const total = add(align, diffusionLoss(model.network, p, batchOf(inputs, condition)));
    const slopes = gradients(total, [hidden, ...Object.values(learned).map((key) => parameter(`projector.${key}`))]);
    const named = ['hidden', ...Object.keys(learned)].map((key, i) => [`grad.${key}`, slopes[i] as Tensor]);
    return { projected: condition, loss_align: align, loss_total: total, ...Object.fromEntries(named) };
  });
  for (const key of ['projected', 'loss_align', 'loss_total']) same(outputs[key], key);
  for (const key of ['hidden', ...Object.keys(learned)]) same(outputs[`grad.${key}`], `grad.${key}`, backward);
});

test('textual inversion: the gradient of the diffusion loss by one row of the embeddings equals the reference', async () => {
  const feeds = { ...noisy(), ids: expected['inversion.input_ids'] as HostArray };
  const { text } = model.network;
  const place = Number((given.placeholder as HostArray).data[0]);
  const outputs = await compute(feeds, (p, inputs, parameter) => {
    const states = text.part.forward(p.at(text.prefix), { input_ids: inputs.ids as Tensor }).last;
    const loss = diffusionLoss(model.network, p, batchOf(inputs, states));
    const [slope] = gradients(loss, [parameter(`${text.prefix}.embeddings.token_embedding.weight`)]);
    return { loss, row: select(slope as Tensor, 0, place) };
  });
  same(outputs.loss, 'inversion.loss');
  same(outputs.row, 'inversion.grad_row', backward);
});

test("GILL's mapper has as many numbers as PyTorch's transformer of its size", () => {
  const declared = [...declarationsOf(gill('opt-6.7b')).values()];
  const below = declared.filter(({ name: key }) => key.startsWith('gen_text_hidden_fcs.'));
  const [width, hidden, norm] = [512, 2048, 1024];
  const attention = 4 * (width * width + width);
  const perceptron = 2 * width * hidden + width + hidden;
  const blocks = 4 * (attention + perceptron + 2 * norm) + 4 * (2 * attention + perceptron + 3 * norm) + 2 * norm;
  expect(parameterCount(below)).toBe(4096 * width + width + blocks + 77 * width + width * 768 + 768);
});

test('a system says with its signal tokens what is painted: only what stands up to them changes the condition', async () => {
  const painter = await initialise(gill('tiny'), { seed: 3, engine });
  const [first = 0, ...others] = [246, 247, 248];
  const ids = (...words: number[]): Feeds => ({
    input_ids: hostArray('i64', [1, words.length], words),
    attention_mask: hostArray('i64', [1, words.length], new Array(words.length).fill(1)),
  });
  const conditionOf = async (...words: number[]): Promise<number[]> => {
    const { image_condition: condition } = await traceNetwork(painter, ids(...words), { want: ['image_condition'] });
    expect(condition?.shape).toEqual([1, 6, 16]);
    return toNumbers(condition as HostArray);
  };
  const said = await conditionOf(5, 6, first, ...others, 9);
  expect(await conditionOf(5, 6, first, ...others, 7)).toEqual(said);
  expect(await conditionOf(5, 4, first, ...others, 9)).not.toEqual(said);
  await painter.close();
});

test('the objective of saying pictures weighs agreement, painting and speech', async () => {
  const painter = await initialise(gill('tiny'), { seed: 3, engine });
  const random = new Random(1);
  const normal = (...shape: number[]): HostArray => {
    const size = shape.reduce((a, b) => a * b, 1);
    return hostArray(
      'f32',
      shape,
      Array.from({ length: size }, () => random.normal()),
    );
  };
  const words = [7, 8, 246, 247, 248];
  const feeds: Feeds = {
    input_ids: hostArray('i64', [2, 5], [...words, ...words]),
    attention_mask: hostArray('i64', [2, 5], new Array(10).fill(1)),
    labels: hostArray('i64', [2, 5], [...words, ...words]),
    caption_ids: hostArray('i64', [2, 7], [1, 2, 3, 4, 5, 6, 255, 6, 5, 4, 3, 2, 1, 255]),
    ...{ target_pixels: normal(2, 3, 16, 16), posterior_noise: normal(2, 4, 8, 8), noise: normal(2, 4, 8, 8) },
    timestep: hostArray('f32', [2], [421, 13]),
  };
  const { p, declarations } = rootScope();
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([key, { dtype, shape }]) => [key, input(key, dtype, shape)]),
  );
  const { total, targets } = sayPictures({ align: 2, diffuse: 3, speak: 5 }).loss(painter.network, p, inputs);
  const session = await openSession(painter, graph('test', { total, targets }), declarations);
  const weighed = await session.run(feeds);
  await session.close();
  const names = ['alignment_loss', 'diffusion_loss', 'loss'];
  const traced = await traceNetwork(painter, feeds, { want: names });
  const [align = 0, diffuse = 0, speak = 0] = names.map((key) => Number(traced[key]?.data[0]));
  expect(Math.min(align, diffuse, speak)).toBeGreaterThan(0);
  expect(Number(weighed.targets?.data[0])).toBe(2);
  expect(Number(weighed.total?.data[0])).toBeCloseTo(2 * (2 * align + 3 * diffuse + 5 * speak), 4);
  await painter.close();
});
