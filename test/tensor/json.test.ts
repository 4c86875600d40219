import { expect, test } from 'vitest';
import { parseJson } from '../../src/tensor/index.js';

test('JSON within its limits is what the parser of the platform makes of it', () => {
  const text = '{"a":[1,{"b":"]}[{,\\""}],"a\\u005fb":null}';
  expect(parseJson(text, 'x')).toEqual(JSON.parse(text));
});

test('numbers that Python writes and JSON does not have are read outside texts', () => {
  const text = '{"lambda_min_clipped": -Infinity, "a": [Infinity, NaN], "b": "-Infinity, \\"NaN"}';
  expect(parseJson(text, 'x')).toEqual({
    lambda_min_clipped: Number.NEGATIVE_INFINITY,
    a: [Number.POSITIVE_INFINITY, null],
    b: '-Infinity, "NaN',
  });
});

test.each([
  ['deeper than 3', '[[[[]]]]', { depth: 3 }],
  ['more than 3 values', '[1,2,3,4]', { values: 3 }],
  ['at most 3 are read', '[1]  ', { size: 3 }],
  ['"__proto__" is refused', '{"a":{"__proto__":1}}', {}],
  ['"__proto__" is refused', '{"\\u005F\\u005fproto__":1}', {}],
  ['not JSON', '{"a":}', {}],
  ['not JSON', '{"a":NaN NaN}', {}],
])('JSON is refused: %s in %s', (message, text, limits) => {
  expect(() => parseJson(text, 'file.json', limits)).toThrow(message);
  expect(() => parseJson(text, 'file.json', limits)).toThrow(/^file\.json: /);
});
