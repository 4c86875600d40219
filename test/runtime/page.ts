/** What the browser test runs in a page. */
import { add, gather, graph, input, parameter } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/index.js';
import { defaultEngine } from '../../src/runtime/index.js';
import { bytesOf, hostArray, toNumbers } from '../../src/tensor/index.js';

/** The engine that runs in the page, and rows 2 and 0 of a table of 300 rows of [i, i], each plus 1. */
export async function lookup(): Promise<{ engine: string; rows: number[] }> {
  const engine = await defaultEngine({ wasm: '/ort.wasm' });
  const values = Array.from({ length: 600 }, (_, i) => Math.floor(i / 2));
  const table = hostArray('f16', [300, 2], values);
  const rows = gather(parameter('table', 'f32', [300, 2]), input('ids', 'i64', ['N']), 0);
  const model = lower(
    graph('lookup', { y: add(rows, parameter('one', 'f32', [1])) }),
    new Map([
      ['table', { dtype: 'f16', source: { bytes: bytesOf(table) } }],
      ['one', { dtype: 'f32', source: { bytes: bytesOf(hostArray('f32', [1], [1])) } }],
    ]),
  );
  const session = await engine.createSession(model);
  const { y } = await session.run({ ids: hostArray('i64', [2], [2, 0]) });
  await session.close();
  return { engine: engine.name, rows: y ? toNumbers(y) : [] };
}
