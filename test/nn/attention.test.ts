import { expect, test } from 'vitest';
import {
  constant,
  gradients,
  graph,
  input,
  lessOrEqual,
  mul,
  range,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from '../../src/graph/index.js';
import { attendHeads } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/index.js';
import { nativeEngine } from '../../src/runtime/native.js';
import { type HostArray, hostArray, Random, scalar, toNumbers } from '../../src/tensor/index.js';
import { expectClose } from '../graph/close.js';

const engine = nativeEngine();

/** Queries [1, 1, T, 2] and keys and values [1, 1, S, 2] under a causal mask: attended, and the slope of its sum of squares. */
async function attended(count: number | string, feeds: Record<string, HostArray>): Promise<Record<string, HostArray>> {
  const q = input('q', 'f32', [1, 1, count, 2]);
  const [k, v] = ['k', 'v'].map((name) => input(name, 'f32', [1, 1, 1500, 2])) as [Tensor, Tensor];
  const seen = lessOrEqual(unsqueeze(range(0, 1500), 0), unsqueeze(range(0, count), 1));
  const mask = where(seen, constant(scalar('f32', 0)), -1e9);
  const y = attendHeads(q, k, v, { mask });
  const [dq, dk, dv] = gradients(sum(mul(y, y)), [q, k, v]) as [Tensor, Tensor, Tensor];
  const session = await engine.createSession(lower(graph('attention', { y, dq, dk, dv })));
  try {
    return { ...(await session.run(feeds)) };
  } finally {
    await session.close();
  }
}

test('attention of many queries, computed in parts, equals attention computed at once', async () => {
  const random = new Random(5);
  const normal = (count: number): HostArray =>
    hostArray(
      'f32',
      [1, 1, count, 2],
      Array.from({ length: 2 * count }, () => random.normal()),
    );
  const feeds = { q: normal(1450), k: normal(1500), v: normal(1500) };
  // Letters are not known to be many.
  const [parts, whole] = [await attended(1450, feeds), await attended('T', feeds)];
  for (const key of ['y', 'dq', 'dk', 'dv']) {
    const wanted = whole[key] as HostArray;
    const values = { shape: wanted.shape as number[], data: toNumbers(wanted) };
    expectClose(parts[key] as HostArray, values, key, { rtol: 1e-5 });
    expect(Math.max(...values.data)).toBeGreaterThan(0.01);
  }
});
