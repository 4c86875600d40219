/** Low-rank adapters on layers of either layout, against the weights that they stand for. */
import { expect, test } from 'vitest';
import { graph, input } from '../../src/graph/index.js';
import { convolution, inOutLinear, linear, type Params, rootScope } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/index.js';
import { lora } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';

const [rows, width, out, rank] = [3, 5, 4, 2];

const random = new Random(4);
const normal = (shape: readonly number[]): HostArray =>
  hostArray(
    'f32',
    shape,
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

test.each([
  ['[out, in]', linear, (o: number, i: number) => o * width + i],
  ['[in, out]', inOutLinear, (o: number, i: number) => i * out + o],
] as const)('an adapter adds s B A x to a layer that is stored %s', async (_, layer, at) => {
  const { p, declarations } = rootScope();
  const y = layer(
    lora({ rank, alpha: 3, on: ['layer'] })
      .adapt(p)
      .at('layer'),
    input('x', 'f32', ['N', width]),
    out,
  );
  const feeds: Record<string, HostArray> = { x: normal([rows, width]) };
  for (const { name, shape } of declarations.values()) feeds[name] = normal(shape);
  const session = await engine.createSession(lower(graph('adapted', { y })));
  const { y: found } = await session.run(feeds);
  await session.close();

  const of = (name: string): number[] => toNumbers(feeds[name] as HostArray);
  const [x, w, b] = [of('x'), of('layer.weight'), of('layer.bias')];
  const [low, high] = [of('layer.lora_A.weight'), of('layer.lora_B.weight')];
  const total = (count: number, term: (i: number) => number): number =>
    Array.from({ length: count }, (_, i) => term(i)).reduce((a, c) => a + c, 0);
  const product = (o: number, i: number): number =>
    total(rank, (r) => (high[o * rank + r] as number) * (low[r * width + i] as number));
  const data = Array.from({ length: rows * out }, (_, j) => {
    const [n, o] = [Math.floor(j / out), j % out];
    const seen = (i: number): number => (x[n * width + i] as number) * ((w[at(o, i)] as number) + 1.5 * product(o, i));
    return (b[o] as number) + total(width, seen);
  });
  expect(declarations.size).toBe(4);
  expectClose(found as HostArray, { shape: [rows, out], data }, 'y', { rtol: 1e-5 });
});

test('an adapter adds s B A to the kernel of a convolution in groups, over all of them', async () => {
  const layer = (p: Params) =>
    convolution(p.at('layer'), input('x', 'f32', [1, 6, 5, 5]), out, { kernel: 3, groups: 2, bias: false });
  const given: Record<string, HostArray> = {
    x: normal([1, 6, 5, 5]),
    'layer.weight': normal([out, 3, 3, 3]),
    'layer.lora_A.weight': normal([rank, 3, 3, 3]),
    'layer.lora_B.weight': normal([out, rank, 1, 1]),
  };
  const run = async (p: Params, feeds: Record<string, HostArray>): Promise<HostArray> => {
    const session = await engine.createSession(lower(graph('convolved', { y: layer(p) })));
    const { y } = await session.run(Object.fromEntries(session.inputs.map((name) => [name, feeds[name] as HostArray])));
    await session.close();
    return y as HostArray;
  };
  const found = await run(lora({ rank, alpha: 3, on: ['layer'] }).adapt(rootScope().p), given);
  const of = (name: string): number[] => toNumbers(given[name] as HostArray);
  const [low, high] = [of('layer.lora_A.weight'), of('layer.lora_B.weight')];
  const kernel = of('layer.weight').map((w, i) => {
    const [o, at] = [Math.floor(i / 27), i % 27];
    return (
      w +
      1.5 *
        Array.from({ length: rank }, (_, r) => (high[o * rank + r] as number) * (low[r * 27 + at] as number)).reduce(
          (a, b) => a + b,
        )
    );
  });
  const wanted = await run(rootScope().p, { ...given, 'layer.weight': hostArray('f32', [out, 3, 3, 3], kernel) });
  expectClose(found, { shape: [1, out, 3, 3], data: toNumbers(wanted) }, 'y', { rtol: 1e-5 });
});
