import { expect, test } from 'vitest';
import { show } from '../../src/tensor/index.js';

test.each([
  ['nothing', undefined],
  ['NaN', Number.NaN],
  ['"16"', '16'],
  ['{"seed":"5"}', { seed: '5' }],
  ['5n', 5n],
  ['[object Object]', { seed: 5n }],
  ['Symbol(x)', Symbol('x')],
  ['{}', Object.create(null)],
  ['{"data":"[object Float32Array]"}', { data: new Float32Array(100) }],
  [`"${'x'.repeat(59)}…`, 'x'.repeat(100)],
])('a value stands in an error message as %s', (text, value) => {
  expect(show(value)).toBe(text);
});

test('a value that holds itself, and a list of which little can be shown, too', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  expect(show(cyclic)).toBe('[object Object]');
  let asked = 0;
  const item = { toJSON: () => ++asked };
  expect(show(new Array(1000).fill(item))).toMatch(/^\[1,2,.*…$/);
  expect(asked).toBeLessThan(100);
});
