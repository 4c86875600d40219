import { expect, test } from 'vitest';
import { graph, input } from '../../src/graph/index.js';
import { rootScope } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/lower.js';
import { pyramid } from '../../src/parts/encoders/pyramid.js';
import { nano } from '../../src/recipes/nano.js';
import { nativeEngine } from '../../src/runtime/node.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { expectClose } from '../graph/close.js';

const config = { image: 12, strides: [2, 3], widths: [3, 4], depths: [1, 1] };
const random = new Random(1);
const { p, declarations } = rootScope();
const output = pyramid(config).forward(p, input('pixels', 'f32', [2, 3, 12, 12]), {});
const values = new Map(
  [...declarations.values()].map(({ name, shape }) => {
    const numbers = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
    return [name, hostArray('f32', [...shape], numbers)] as const;
  }),
);
const pixels = hostArray(
  'f32',
  [2, 3, 12, 12],
  Array.from({ length: 864 }, () => random.normal()),
);

test('the features of a pyramid are those of naive loops', async () => {
  const session = await nativeEngine().createSession(lower(graph('pyramid', { output })));
  try {
    const result = await session.run({ pixels, ...Object.fromEntries(values) });
    const data = [0, 1].flatMap((picture) => naive(toNumbers(pixels).slice(picture * 432, (picture + 1) * 432)));
    expectClose(result.output as HostArray, { shape: [2, 4, 4], data }, 'features', { rtol: 1e-4, atol: 0 });
  } finally {
    await session.close();
  }
});

test('a picture that the strides do not divide is refused', () => {
  expect(() => pyramid({ ...config, image: 13 })).toThrow(/multiple of 6/);
});

test('nano has the size that its card says', () => {
  expect(parameterCount(declarationsOf(nano('6m')).values())).toBe(5_988_544);
});

/** One picture [3][12][12], flat, through the pyramid, place by place; channels last. */
function naive(picture: readonly number[]): number[] {
  let side = 12;
  let grid = Array.from({ length: side * side }, (_, at) => [0, 1, 2].map((c) => picture[c * side * side + at]!));
  for (const [stage, stride] of config.strides.entries()) {
    const at = `stages.${stage}`;
    if (stage > 0) grid = grid.map((x) => normalised(x, `${at}.norm`));
    grid = convolved(grid, side, `${at}.reduce`, { kernel: stride, stride, padding: 0 });
    side /= stride;
    const seen = convolved(
      grid.map((x) => normalised(x, `${at}.blocks.0.norm`)),
      side,
      `${at}.blocks.0.spread`,
      { kernel: 3, stride: 1, padding: 1 },
    ).map((x) => x.map(tanhGelu));
    const mixed = convolved(seen, side, `${at}.blocks.0.mix`, { kernel: 1, stride: 1, padding: 0 });
    grid = grid.map((x, i) => x.map((value, c) => value + mixed[i]![c]!));
  }
  return grid.flatMap((x) => normalised(x, 'norm'));
}

const numbersOf = (name: string) => toNumbers(values.get(name)!);
const tanhGelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function normalised(x: readonly number[], name: string): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const [weight, bias] = [numbersOf(`${name}.weight`), numbersOf(`${name}.bias`)];
  return x.map((value, c) => ((value - mean) / Math.sqrt(variance + 1e-6)) * weight[c]! + bias[c]!);
}

interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

function convolved(grid: number[][], side: number, name: string, { kernel, stride, padding }: Window): number[][] {
  const [weight, bias] = [numbersOf(`${name}.weight`), numbersOf(`${name}.bias`)];
  const channels = grid[0]!.length;
  const out = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  return Array.from({ length: out * out }, (_, place) =>
    Array.from(bias, (start, o) => {
      let sum = start;
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < kernel; i++)
          for (let j = 0; j < kernel; j++) {
            const y = Math.floor(place / out) * stride + i - padding;
            const x = (place % out) * stride + j - padding;
            if (y < 0 || x < 0 || y >= side || x >= side) continue;
            sum += weight[((o * channels + c) * kernel + i) * kernel + j]! * grid[y * side + x]![c]!;
          }
      return sum;
    }),
  );
}
