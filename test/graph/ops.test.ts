/** Every entry of the op table: its value and its gradient rule on every engine, against naive float64 arithmetic. */
import { describe, expect, test } from 'vitest';
import { cast, gradients, input, type OpName, ops, sum } from '../../src/graph/index.js';
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
