/** Low-rank adapters on layers of either layout, against the weights that they stand for. */
import { expect, test } from 'vitest';
import { graph, input } from '../../src/graph/index.js';
import { inOutLinear, linear, rootScope } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/index.js';
import { lora } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';

const [rows, width, out, rank] = [3, 5, 4, 2];

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
  const random = new Random(4);
  const normal = (shape: readonly number[]): HostArray =>
    hostArray(
      'f32',
      shape,
      Array.from({ length: sizeOf(shape) }, () => random.normal()),
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
