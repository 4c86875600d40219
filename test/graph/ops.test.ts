/** Every entry of the op table: its value and its gradient rule on every engine, against naive float64 arithmetic. */
import { describe, expect, test } from 'vitest';
import { cast, conv, convTranspose, gradients, input, type OpName, ops, sum } from '../../src/graph/index.js';
import { applyAll } from '../../src/graph/tensor.js';
import { lower } from '../../src/onnx/lower.js';
import { isFloat } from '../../src/tensor/index.js';
import { forEachEngine } from '../runtime/engines.js';
import { expectClose } from './close.js';
import type { Values } from './naive/arrays.js';
import { samples } from './samples/index.js';
import type { Sample } from './samples/operands.js';
import { trial } from './trial.js';

const names = Object.keys(ops) as OpName[];
const of = (op: OpName): readonly Sample[] => samples[op];

test('every op of the table has samples, and no sample is of another op', () => {
  expect(Object.keys(samples).sort()).toEqual([...names].sort());
  expect(names.filter((op) => of(op).length === 0)).toEqual([]);
});

test('the samples of every gradient rule include smooth ones, but for a product that rounds', () => {
  const untried = names.filter(
    (op) => typeof ops[op].gradient === 'function' && !of(op).some((s) => s.smooth !== false),
  );
  expect(untried).toEqual(['FrozenProduct']);
});

forEachEngine((engine) => {
  test.for(names)('%s has the value and the gradient of naive arithmetic', async (op) => {
    for (const [i, sample] of of(op).entries()) {
      const { graph, feeds, expected } = trial(op, sample, i);
      const outside = [...graph.inputs, ...Object.values(graph.outputs)];
      if (outside.some(({ dtype }) => engine.insideOnly.includes(dtype))) continue;
      const session = await engine.createSession(lower(graph));
      // What an op keeps for its gradient alone is no part of its graph.
      const fed = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name)));
      const results = await session.run(fed);
      await session.close();
      for (const [name, values] of Object.entries(expected)) {
        const actual = results[name];
        if (!actual) throw new Error(`${op} gave no ${name}`);
        const tolerance = name.startsWith('y') ? { rtol: 1e-5 } : { rtol: 1e-4 };
        expectClose(actual, values as Values, `${name} of sample ${i} of ${op}`, tolerance);
        expect(actual.dtype).toBe(graph.outputs[name]?.dtype);
      }
    }
  });
});

test('strides and dilations of convolutions are one number or one for each axis', () => {
  const [x, w] = [input('x', 'f32', [2, 4, 9, 8]), input('w', 'f32', [4, 2, 3, 2])];
  const bothWays = (options: Parameters<typeof conv>[2]) =>
    [conv(x, w, options), convTranspose(x, w, options)].map(({ shape, node: { attributes } }) => [shape, attributes]);
  const common = { pads: [1, 1, 1, 1], group: 2 };
  const each = { strides: [2, 3], dilations: [1, 2], ...common };
  expect(bothWays({ stride: [2, 3], dilation: [1, 2], padding: 1, groups: 2 })).toEqual([
    [[2, 4, 5, 3], each],
    [[2, 4, 17, 22], { ...each, output_padding: [0, 0] }],
  ]);
  expect(bothWays({ stride: 2, padding: 1, groups: 2 })).toEqual(
    bothWays({ stride: [2, 2], dilation: [1, 1], padding: [1, 1, 1, 1], groups: 2 }),
  );
  expect(convTranspose(x, w, { groups: 2, stride: [2, 3], outputPadding: [1, 2] }).shape).toEqual([2, 4, 20, 25]);
  expect(() => conv(x, w, { dilation: [1, 2, 3] })).toThrow('dilation [1, 2, 3]: give one number, or 2');
  expect(() => conv(x, w, { padding: [1, 2] })).toThrow('padding [1, 2]: give one number, or 4');
});

describe('ops without a gradient', () => {
  const lossOf = (op: OpName, { operands, attributes }: Sample) => {
    const inputs = operands.map((x, i) => x && input(`x${i}`, x.dtype, x.shape));
    const y = applyAll(op, inputs, attributes)[0] as ReturnType<typeof input>;
    return {
      loss: sum(cast(y, 'f32')),
      by: inputs.filter((x) => x !== null && isFloat(x.dtype)) as ReturnType<typeof input>[],
    };
  };

  test.for(names.filter((op) => ops[op].gradient === 'zero'))('%s passes no gradient on', (op) => {
    for (const sample of of(op)) {
      const { loss, by } = lossOf(op, sample);
      expect(gradients(loss, by)).toEqual(by.map(() => null));
    }
  });

  test.for(names.filter((op) => ops[op].gradient === 'none'))('%s refuses to be differentiated', (op) => {
    for (const sample of of(op)) {
      const { loss, by } = lossOf(op, sample);
      expect(() => gradients(loss, by)).toThrow(`${op} has no gradient`);
    }
  });
});
