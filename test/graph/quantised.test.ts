/** Gradients through products that are rounded: those of the product itself. */
import { expect, test } from 'vitest';
import {
  frozenProduct,
  gradients,
  graph,
  input,
  mul,
  normalFloatProduct,
  sum,
  type Tensor,
} from '../../src/graph/index.js';
import { lower } from '../../src/onnx/lower.js';
import { type HostArray, hostArray, packColumns, Random, toNumbers } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';

// Whole numbers of which each row's largest is 255, and each weight's row's and column's largest 127: none is rounded.
const x = [255, 3, 17, 0, 100, 255, 254, 1];
const slopes = [255, 8, 0, 9, 255, 30];
const weight = [127, -4, 127, 0, 6, 127, -30, 127, -127, 64, 5, 127];
const [rows, width] = [3, 4];

/** [N, K] -> [K, N] */
const turned = Float32Array.from(weight, (_, i) => weight[(i % rows) * width + Math.floor(i / rows)] as number);

test.each(['columns', 'whole'])('a frozen product has the gradient of its weight, in %s', async (form) => {
  const forward = packColumns(Float32Array.from(weight), rows);
  const backward = packColumns(turned, width);
  const feeds = {
    x: hostArray('f32', [2, width], x),
    slopes: hostArray('f32', [2, rows], slopes),
    codes: hostArray('i8', [width, rows], forward.codes),
    scales: hostArray('f32', [rows], forward.scales),
    turnedCodes: hostArray('i8', [rows, width], backward.codes),
    turnedScales: hostArray('f32', [width], backward.scales),
    whole: hostArray('f32', [rows, width], weight),
  };
  const given = (name: keyof typeof feeds): Tensor => input(name, feeds[name].dtype, feeds[name].shape);
  const operand = given('x');
  const other = form === 'whole' ? [given('whole')] : [given('turnedCodes'), given('turnedScales')];
  const y = frozenProduct(operand, given('codes'), given('scales'), other);
  const [slope] = gradients(sum(mul(y, given('slopes'))), [operand]);
  const session = await engine.createSession(lower(graph('frozen', { y, slope: slope as Tensor })));
  const fed = Object.fromEntries(session.inputs.map((name) => [name, feeds[name as keyof typeof feeds]]));
  const results = await session.run(fed);
  await session.close();

  const at = (b: number, k: number): number =>
    [0, 1, 2].reduce((total, n) => total + (slopes[b * rows + n] as number) * (weight[n * width + k] as number), 0);
  const expected = [0, 1].flatMap((b) => [0, 1, 2, 3].map((k) => at(b, k)));
  for (const [i, value] of expected.entries()) expect(results.slope?.data[i]).toBeCloseTo(value, 1);
  const product = x.slice(0, width).reduce((total, value, k) => total + value * (weight[k] as number), 0);
  expect(results.y?.data[0]).toBeCloseTo(product, 1);
});

test('a product with sixteen numbers has the gradient of its weight', async () => {
  const [count, inner] = [3, 64];
  const random = new Random(4);
  const codes = Uint8Array.from({ length: (count * inner) / 2 }, () => random.integer(256));
  const magnitudes = Float32Array.from({ length: count }, () => 0.5 + random.uniform());
  const operand = input('x', 'f32', ['T', inner]);
  const [held, largest] = [input('codes', 'u8', [count, inner / 2]), input('magnitudes', 'f32', [count])];
  const y = normalFloatProduct(operand, held, largest, count);
  const weights = hostArray('f32', [2, count], [1, -2, 3, 0.5, 4, -1]);
  const [slope] = gradients(sum(mul(y, input('slopes', 'f32', ['T', count]))), [operand]);
  const session = await engine.createSession(lower(graph('product', { y, slope: slope as Tensor })));
  const feeds = {
    codes: hostArray('u8', [count, inner / 2], codes),
    magnitudes: hostArray('f32', [count], magnitudes),
  };
  const unit = (row: number): HostArray =>
    hostArray(
      'f32',
      [2, inner],
      Float32Array.from({ length: 2 * inner }, (_, i) => Number(i % inner === row)),
    );
  // Products with the unit vectors are the weight's columns.
  const columns: number[][] = [];
  let slopes: number[] = [];
  for (let k = 0; k < inner; k++) {
    const results = await session.run({ ...feeds, x: unit(k), slopes: weights });
    columns.push(toNumbers(results.y as HostArray).slice(0, count));
    slopes = toNumbers(results.slope as HostArray);
  }
  await session.close();
  const expected = [0, 1].flatMap((row) =>
    columns.map((column) => column.reduce((total, w, n) => total + w * Number(weights.data[row * count + n]), 0)),
  );
  expect(new Set(slopes).size).toBeGreaterThan(20);
  for (const [i, value] of expected.entries()) expect(slopes[i]).toBeCloseTo(value, 4);
});
