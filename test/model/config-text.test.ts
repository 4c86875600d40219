import { expect, test } from 'vitest';
import { changedJson } from '../../src/model/config-text.js';

test('numbers stay as they are written, whatever changes around them', () => {
  const text =
    '{"cap": 30.0, "eps": 1e-05, "list": [-1.50, 2, 3.0e+2], "text": "is \\"4.0\\", 5.0", "old": 1.0, "big": 12345678901234567890}';
  const changed = changedJson(text, 'config.json', ({ old: _, ...rest }) => ({ ...rest, dtype: 'float32', half: 0.5 }));
  expect(changed.replace(/\s+/g, ' ')).toBe(
    '{ "cap": 30.0, "eps": 1e-05, "list": [ -1.50, 2, 3.0e+2 ], "text": "is \\"4.0\\", 5.0", "big": 12345678901234567000, "dtype": "float32", "half": 0.5 } ',
  );
});

test('a text that looks like such a number stays a text', () => {
  const changed = changedJson('{"a": "\\u0000}", "b": 1.0}', 'config.json', (own) => own);
  expect(JSON.parse(changed)).toEqual({ a: '\0}', b: 1 });
});

test('what is no JSON is told with its file', () => {
  expect(() => changedJson('{"a": 1.0', 'config.json', (own) => own)).toThrow(/config\.json: not JSON/);
});
