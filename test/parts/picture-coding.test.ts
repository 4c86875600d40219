import { expect, test } from 'vitest';
import { div, gradients, graph, mean, mul, sub, type Tensor } from '../../src/graph/index.js';
import { openSession } from '../../src/model/compile.js';
import { load } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { traceNetwork } from '../../src/model/trace.js';
import { rootScope } from '../../src/nn/index.js';
import { vqgan } from '../../src/recipes/vqgan.js';
import { inputTensors, reconstruct } from '../../src/system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, expectSame, fixtureJson, fixturePath, fixtureTensors } from '../fixture.js';

const name = 'vq-vae';
const given = await fixtureTensors(name, 'inputs');
const expected = await fixtureTensors(name, 'expected');
const forward = { rtol: 2e-5, atol: 0 };
const backward = { rtol: 1e-3, atol: 1e-7 };

const same = (actual: HostArray | undefined, key: string, tolerance = forward): void =>
  expectSame(actual, expected[key] as HostArray, key, tolerance);

async function withPart(part: 'vae' | 'vqvae', use: (model: Model) => Promise<void>): Promise<void> {
  const model = await load(`${fixturePath(name)}/model/${part}`, { engine });
  try {
    await use(model);
  } finally {
    await model.close();
  }
}

test('VQGAN gives the codes, the loss and the pictures of the reference', () =>
  withPart('vqvae', async (model) => {
    const codes = expected.indices as HostArray;
    const outputs = await traceNetwork(model, { pixel_values: given.image as HostArray });
    same(outputs.encoded, 'encoded');
    expect(toNumbers(outputs.indices as HostArray)).toEqual(toNumbers(codes));
    same(outputs.codebook_loss, 'codebook_loss');
    same(outputs.decoded, 'decoded');
    same((await traceNetwork(model, { given_codes: codes })).decoded, 'decoded');
  }));

test('pictures and codes need not be of the size that it was trained at', () =>
  withPart('vqvae', async (model) => {
    const { shape, data } = given.image as HostArray;
    const [, , , width = 0] = shape;
    // The upper third of the fixture's first picture's rows, of all channels.
    const rows = [0, 1, 2].flatMap((c) =>
      [...data.slice(c * width * width, c * width * width + 4 * width)].map(Number),
    );
    const pixels = hostArray('f32', [1, 3, 4, width], rows);
    const found = await traceNetwork(model, { pixel_values: pixels });
    expect(found.decoded?.shape).toEqual([1, 3, 4, width]);
    const codes = found.indices as HostArray;
    const again = await traceNetwork(model, { pixel_values: pixels, given_codes: codes });
    expectSame(again.decoded, found.decoded as HostArray, 'decoded', { rtol: 1e-6, atol: 0 });
    await expect(traceNetwork(model, { given_codes: codes })).rejects.toThrow(/12 codes a picture: no square/);
  }));

/** Runs what `build` makes of the model's inputs, with its parameters by name. */
async function compute(
  model: Model,
  feeds: Record<string, HostArray>,
  build: (inputs: Record<string, Tensor>, parameter: (name: string) => Tensor) => Record<string, Tensor>,
  begin: (p: ReturnType<typeof rootScope>['p'], inputs: Record<string, Tensor>) => Record<string, Tensor>,
): Promise<Readonly<Record<string, HostArray>>> {
  const { p, declarations } = rootScope();
  const types = Object.entries(feeds).map(([key, { dtype, shape }]) => [
    key,
    { dtype, shape: ['B', ...shape.slice(1)] },
  ]);
  const inputs = inputTensors(Object.fromEntries(types));
  const made = begin(p, inputs);
  const outputs = build({ ...inputs, ...made }, (key) => declarations.get(key)?.tensor as Tensor);
  const session = await openSession(model, graph('test', outputs), declarations);
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

test('the gradient of a decoded picture by its latents equals the reference', () =>
  withPart('vae', async (model) => {
    const feeds = { latents: given.latent as HostArray, target: given.target as HostArray };
    const outputs = await compute(
      model,
      feeds,
      ({ latents, target, decoded }) => {
        const error = sub(decoded as Tensor, target as Tensor);
        const loss = mean(mul(error, error));
        const [slope] = gradients(loss, [latents as Tensor]);
        return { decoded: decoded as Tensor, loss, slope: slope as Tensor };
      },
      (p, { latents }) => ({
        decoded: model.network.forward(p, { latents: latents as Tensor })['vae.decoded'] as Tensor,
      }),
    );
    same(outputs.decoded, 'vae.decoded');
    same(outputs.loss, 'vae.loss');
    same(outputs.slope, 'vae.grad_latent', backward);
  }));

test('the loss of reconstruction and its gradients by picture and parameters equal the reference', () =>
  withPart('vae', async (model) => {
    const { kl_weight: weight } = fixtureJson(name).settings as { kl_weight: number };
    const prefix = 'autoencoder.grad.';
    const names = Object.keys(expected).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
    const outputs = await compute(
      model,
      { pixel_values: given.image as HostArray, posterior_noise: given.noise as HostArray },
      ({ pixel_values: pixels, loss }, parameter) => {
        const slopes = gradients(loss as Tensor, [pixels as Tensor, ...names.map(parameter)]);
        const named = ['pixels', ...names].map((key, i) => [`slope.${key}`, slopes[i] as Tensor]);
        return { loss: loss as Tensor, ...Object.fromEntries(named) };
      },
      (p, inputs) => {
        const { total, targets } = reconstruct({ divergence: weight }).loss(model.network, p, inputs);
        return { loss: div(total, targets) };
      },
    );
    expect(names.length).toBeGreaterThan(50);
    same(outputs.loss, 'autoencoder.loss');
    same(outputs['slope.pixels'], 'autoencoder.grad_image', backward);
    for (const key of names) same(outputs[`slope.${key}`], `${prefix}${key}`, backward);
  }));

test('a tiny VQGAN declares each parameter once, though it encodes and decodes twice', () => {
  const { p, declarations } = rootScope();
  const network = vqgan('tiny');
  const outputs = network.forward(p, inputTensors(network.inputs));
  expect(Object.keys(outputs).sort()).toEqual(['codebook_loss', 'decoded', 'encoded', 'indices']);
  expect([...declarations.keys()].filter((key) => key.startsWith('quantize'))).toEqual(['quantize.embedding.weight']);
});
