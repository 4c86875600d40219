/** Regular expressions as constraints, against JavaScript's own. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/tensor/index.js';
import type { Language } from '../../../src/text/constraints/language.js';
import { createMachine } from '../../../src/text/constraints/machine.js';
import { compile } from '../../../src/text/constraints/program.js';
import { textsWithMatch, wholeMatches } from '../../../src/text/constraints/regex.js';
import { pick } from './tokenizers.js';

/** Whether a text is in a language, byte by byte. */
function recogniser(language: Language): (text: string) => boolean {
  const machine = createMachine(compile({ rules: [language] }));
  return (text) => {
    let state = machine.start;
    for (const byte of new TextEncoder().encode(text)) {
      state = machine.step(state, byte);
      if (state < 0) return false;
    }
    return machine.accepts(state);
  };
}

const atoms = [
  ...[
    'a',
    'b',
    'é',
    '🎉',
    '.',
    '\\d',
    '\\w',
    '\\S',
    '[ab]',
    '[^a]',
    '[a-cé-ü]',
    '[^\\d\\s]',
    '\\u00e9',
    '\\.',
    '\\x61',
  ],
  ...[
    '\\p{L}',
    '\\P{Lu}',
    '[\\p{Nd}-]',
    '\\u{1F389}',
    '\\ud83c\\udf89',
    '\\n',
    '[\\w.-]',
    '[🎈-🎊]',
    'ab',
    '\\/',
    '[\\]\\\\]',
  ],
];
const quantifiers = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?'];
const letters = ['a', 'b', 'c', 'é', 'ü', '🎉', '🎈', '1', '9', ' ', '\n', '.', '-', 'Z', '_', ']', '\\', '/', '世'];

function randomPattern(random: Random, depth: number): string {
  const kind = random.integer(depth > 0 ? 4 : 1);
  if (kind === 0) return pick(random, atoms) + pick(random, quantifiers);
  if (kind === 1) return randomPattern(random, depth - 1) + randomPattern(random, depth - 1);
  const options = [randomPattern(random, depth - 1), randomPattern(random, depth - 1)].join('|');
  return `${pick(random, ['(', '(?:', '(?<n>'])}${options})${pick(random, quantifiers)}`.replace(/\?<n>/, () => '?:');
}

test('random patterns match the texts that they match in JavaScript', () => {
  const random = new Random(21);
  const counts = { yes: 0, no: 0 };
  for (let i = 0; i < 300; i++) {
    const pattern = randomPattern(random, 3);
    const [start, end] = [pick(random, ['', '', '^']), pick(random, ['', '', '$'])];
    const anchored = pattern.includes('|') ? `${start}(${pattern})${end}` : `${start}${pattern}${end}`;
    const [whole, anywhere] = [recogniser(wholeMatches(pattern)), recogniser(textsWithMatch(anchored))];
    const [wholeThere, anywhereThere] = [new RegExp(`^(?:${pattern})$`, 'u'), new RegExp(anchored, 'u')];
    for (let j = 0; j < 60; j++) {
      const text = Array.from({ length: random.integer(5) }, () => pick(random, letters)).join('');
      const wanted = [wholeThere.test(text), anywhereThere.test(text)];
      expect({ pattern, anchored, text, is: [whole(text), anywhere(text)] }).toEqual({
        pattern,
        anchored,
        text,
        is: wanted,
      });
      counts[wanted[0] ? 'yes' : 'no']++;
    }
  }
  expect(counts.yes).toBeGreaterThan(1000);
  expect(counts.no).toBeGreaterThan(1000);
});

test('a class holds the characters that it holds in JavaScript, all of Unicode', () => {
  for (const pattern of ['\\p{L}', '\\p{Script=Greek}', '\\P{Cn}', '\\s', '[^\\W_]', '.', '[^a-\\u{10ffff}]']) {
    const { set } = wholeMatches(pattern) as Language & { kind: 'set' };
    const there = new RegExp(`^${pattern}$`, 'u');
    let at = 0;
    const wrong: number[] = [];
    for (let code = 0; code <= 0x10ffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      while (at < set.ranges.length && (set.ranges[at + 1] as number) < code) at += 2;
      const isIn = at < set.ranges.length && (set.ranges[at] as number) <= code;
      if (isIn !== there.test(String.fromCodePoint(code))) wrong.push(code);
    }
    expect({ pattern, wrong }).toEqual({ pattern, wrong: [] });
  }
});

test('bytes that are no UTF-8 lead nowhere', () => {
  const machine = createMachine(compile({ rules: [wholeMatches('[^]*')] }));
  const follow = (bytes: readonly number[]): number =>
    bytes.reduce((state, byte) => (state < 0 ? state : machine.step(state, byte)), machine.start);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const random = new Random(3);
  const leads = [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];
  const others = [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x41];
  for (let i = 0; i < 3000; i++) {
    const bytes = [pick(random, leads), ...Array.from({ length: random.integer(4) }, () => pick(random, others))];
    let valid = true;
    try {
      decoder.decode(Uint8Array.from(bytes));
    } catch {
      valid = false;
    }
    const state = follow(bytes);
    expect([bytes, state >= 0 && machine.accepts(state)]).toEqual([bytes, valid]);
  }
});

describe('what cannot be read from left to right is refused with the place:', () => {
  test.each([
    '(?=a)b',
    '(?<!a)b',
    '(a)\\1',
    '\\bword',
    'a^b',
    '(a$)+',
    '[b-a]',
    '(',
    ')',
    'a**',
    '\\p{Nonsense}',
    '*',
    '\\u{110000}',
    'a{3,2}',
    '[a',
  ])('%s', (pattern) => {
    expect(() => wholeMatches(pattern)).toThrow(
      expect.objectContaining({ code: 'constraint', message: expect.stringContaining('character') }),
    );
  });
});
