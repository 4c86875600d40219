import { expect, test } from 'vitest';
import { fuelFor } from '../../src/text/fuel.js';
import { compileRegex } from '../../src/text/regex.js';

const texts = [
  '',
  'a',
  'aab',
  "It's 12 o'clock, isn't it?",
  'aXbYc__d_e f',
  'foo123bar 1234567',
  ' \t\n\r\n x  y\n',
  '😀a😀😀 é́ß',
  'ABCabcABC',
  'x'.repeat(50),
  'aaa\nbbb\n\nccc',
];

/** Patterns that mean the same in JavaScript, whose engine is the independent answer. */
const common = [
  'a',
  'a|ab|b',
  '(?:a|b)+',
  '[^a-c]+',
  'a*?b',
  '(a|aa)+b',
  'x{3}',
  'x{2,5}',
  'x{4,}?',
  '(?:ab?){1,3}',
  '\\d{1,3}(?=(?:\\d{3})*\\b)',
  '\\b\\w+\\b',
  '\\B[^x]',
  '(?<=[a-z])(?=[A-Z])',
  '(?<!a)b',
  '(?<=foo)\\d+|(?<!o)o',
  '(?!x)[a-z]',
  '\\p{L}+|\\p{N}+|[^\\p{L}\\p{N}\\s]+',
  '[\\u{1F600}-\\u{1F64F}]',
  "'(?:s|t|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  '[\\r\\n]*',
  '',
  '[^x]+?',
  '(?:a+)+b|c',
];

test('patterns match as in JavaScript where both languages agree', () => {
  for (const source of common) {
    // JavaScript's \b and \w know ASCII only.
    const asciiOnly = /\\[bBw]/.test(source);
    for (const text of texts.filter((each) => !asciiOnly || /^[ -~\s]*$/.test(each))) {
      const found = [...text.matchAll(new RegExp(source, 'gv'))].map((match) => [
        match.index,
        match.index + match[0].length,
      ]);
      const ours = compileRegex(source, 'test').matches(text, fuelFor(text.length));
      // JavaScript keeps an empty match right after a match, Oniguruma's iterator does not.
      const kept = found.filter(([start, end], i) => start !== end || found[i - 1]?.[1] !== start);
      expect({ source, text, spans: ours }).toEqual({ source, text, spans: kept });
    }
  }
});

test('patterns of Ruby syntax have their own meaning', () => {
  const spans = (source: string, text: string) => compileRegex(source, 'test').matches(text, fuelFor(text.length));
  expect(spans('^b$', 'a\nb\nc')).toEqual([[2, 3]]); // anchors of lines
  expect(spans('a++a', 'aaa')).toEqual([]); // possessive
  expect(spans('(?>a|ab)c', 'abc')).toEqual([]); // atomic
  expect(spans('(?i:s)x', 'ſX Sx')).toEqual([[3, 5]]); // only the group ignores case
  expect(spans('(?i)ſX', 'sx')).toEqual([[0, 2]]);
  expect(spans('\\s', '\u0085\ufeff\u3000')).toEqual([
    [0, 1],
    [2, 3],
  ]); // White_Space
  expect(spans('[a-z&&[^aeiou]]+', 'education')).toEqual(
    [
      [1, 2],
      [3, 4],
      [5, 6],
      [8, 9],
    ].filter(([start]) => !'aeiou'.includes('education'[start as number] as string)),
  );
  expect(spans('[[:digit:][:upper:]]', 'a1B')).toEqual([
    [1, 2],
    [2, 3],
  ]);
  expect(spans('\\h\\x41\\u0042\\x{1F600}', 'fAB😀')).toEqual([[0, 5]]);
});

test('what is not supported, malformed or too large is refused with its place', () => {
  const refused = [
    '(a)\\1',
    '(?(1)a)',
    '(?<=a+)b',
    '(a',
    'a)',
    '[a',
    '[z-a]',
    '*a',
    '\\p{Nope}',
    'a{2000}',
    'a{3,2}',
    '(a*)*',
    '\\',
  ];
  for (const source of [...refused, '('.repeat(5000), '['.repeat(5000), '(((a{900}){900}){900})', 'a'.repeat(30_000)]) {
    expect(() => compileRegex(source, 'tokenizer.json'), source.slice(0, 20)).toThrow(/^tokenizer\.json: pattern/);
  }
});

test('patterns that backtrack without end run out of steps', () => {
  const hostile = [
    '(a+)+$',
    '(a|a)*b',
    '(a|aa)+$',
    'a*a*a*a*b',
    '(?=(a+)+$)x',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(?!(a+)+b)a',
  ];
  const text = `${'a'.repeat(5000)}!`;
  for (const source of hostile) {
    const run = () => compileRegex(source, 'test').matches(text, { left: 1e6, longest: 1e6 });
    expect(run, source).toThrow('takes too many steps on this text');
  }
});
