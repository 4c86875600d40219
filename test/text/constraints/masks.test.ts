/** Masks over vocabularies of every kind, against trying each token by itself; and what hostile constraints cost. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/tensor/index.js';
import { type ConstraintSpec, constrain, constrainedDetokenizer } from '../../../src/text/constraints/index.js';
import { jsonGrammar } from '../../../src/text/constraints/json/schema.js';
import { spacings } from '../../../src/text/constraints/json/text.js';
import { createMachine } from '../../../src/text/constraints/machine.js';
import { compile } from '../../../src/text/constraints/program.js';
import { endOf, idsOf, pick, randomTokens, randomWalk, takes, tokenizer, tokenizers } from './tokenizers.js';

const person = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 6 }, ages: { type: 'array', items: { type: 'integer' } } },
  required: ['name'],
  additionalProperties: false,
};

test.each(['gpt2', 'llama3', 'llama2', 'unigram bytes', 'bloom', 'nano', 'clip'])(
  '%s: a token is allowed if its bytes lead on, each tried by itself',
  (name) => {
    const by = tokenizer(name);
    const end = endOf(by);
    const machine = createMachine(compile(jsonGrammar(person, spacings.flexible)));
    const random = new Random(31);
    const begin = constrain({ json: person }, by, [end]);
    for (let walk = 0; walk < 5; walk++) {
      const constraint = begin();
      let state = machine.start;
      for (let count = 0; count < 25 && !constraint.done; count++) {
        const after = (id: number): number =>
          by.bytesOf(id, { first: count === 0 }).reduce((at, byte) => (at < 0 ? at : machine.step(at, byte)), state);
        const wanted = Array.from({ length: by.size }, (_, id) => id).filter((id) => {
          if (id === end) return machine.accepts(state);
          return (
            !by.isSpecial(id) &&
            id !== by.special.unk &&
            after(id) >= 0 &&
            after(id) !== state + 0.5 &&
            by.bytesOf(id, { first: count === 0 }).length > 0
          );
        });
        expect(idsOf(constraint.allowed())).toEqual(wanted);
        const next = pick(
          random,
          wanted.filter((id) => id !== end),
        );
        state = after(next);
        constraint.accept(next);
      }
    }
  },
);

describe('every kind of tokenizer', () => {
  const choices = ['yes', 'no', 'yes and no', 'never', 'Grüße 世界 🎉', 'not yet'];

  test.each(Object.keys(tokenizers))('%s: choices are spelled whole, or there is no beginning', (name) => {
    const by = tokenizer(name);
    const end = endOf(by);
    const random = new Random(41);
    // What can be spelled at all, by a search over all tokens.
    const spellable = choices.filter((choice) => isSpellable(name, choice));
    if (spellable.length === 0) {
      expect(() => constrain({ choices }, by, [end])).toThrow(expect.objectContaining({ code: 'constraint' }));
      return;
    }
    const found = new Set<string>();
    for (let i = 0; i < 150; i++) {
      const { ids, ended } = randomWalk(constrain({ choices }, by, [end])(), [end], random, 60);
      expect(ended).toBe(true);
      const stream = constrainedDetokenizer(by);
      const text = ids.map(stream.push).join('') + stream.flush();
      expect(spellable).toContain(text);
      if (name !== 'words') expect(by.decode(ids)).toBe(text);
      found.add(text);
    }
    expect(found.size).toBe(spellable.length);
  });

  function isSpellable(name: string, text: string): boolean {
    const by = tokenizer(name);
    const bytes = [...new TextEncoder().encode(text)];
    const tokens = Array.from({ length: by.size }, (_, id) => id).filter(
      (id) => !by.isSpecial(id) && !Object.values(by.special).includes(id),
    );
    const spelled = [true, false].map((first) => tokens.map((id) => [...by.bytesOf(id, { first })]));
    const reached = new Set([0]);
    for (let at = 0; at < bytes.length; at++) {
      if (!reached.has(at)) continue;
      for (const token of spelled[at === 0 ? 0 : 1] as number[][])
        if (token.length > 0 && token.every((byte, i) => bytes[at + i] === byte)) reached.add(at + token.length);
    }
    return reached.has(bytes.length);
  }
});

test('characters that are split over tokens come out whole, in whatever tokens', () => {
  const text = '{"name":"🎉世é👩"}';
  for (const name of ['gpt2', 'llama2', 'unigram bytes', 'smolvlm model']) {
    const by = tokenizer(name);
    const random = new Random(51);
    for (let i = 0; i < 20; i++) {
      const ids = randomTokens(by, text, random);
      if (ids === undefined) continue;
      expect(takes(constrain({ json: person, spacing: 'compact' }, by, [endOf(by)])(), ids, endOf(by))).toBe(true);
      const stream = constrainedDetokenizer(by);
      const pieces = ids.map(stream.push);
      expect(pieces.join('')).toBe(text);
      expect(pieces.join('|')).not.toContain('\ufffd');
    }
  }
});

test('an answer needs no end token where nothing may follow, and one where more may', () => {
  const by = tokenizer('gpt2');
  const end = endOf(by);
  const [x, ...rest] = by.encode('xx');
  const exact = constrain({ regex: 'x{2}' }, by, [end])();
  for (const id of [x, ...rest]) exact.accept(id as number);
  expect(exact.done).toBe(true);
  const open = constrain({ regex: 'x+' }, by, [end])();
  expect(idsOf(open.allowed())).not.toContain(end);
  open.accept(x as number);
  expect(open.done).toBe(false);
  expect(idsOf(open.allowed())).toContain(end);
  expect(() => open.accept(by.encode('y')[0] as number)).toThrow(expect.objectContaining({ code: 'constraint' }));
});

describe('what would cost too much is refused, or costs little:', () => {
  const by = tokenizer('gpt2');
  const end = endOf(by);
  const walk = (spec: ConstraintSpec, most = 30) =>
    randomWalk(constrain(spec, by, [end])(), [end], new Random(61), most);
  const nested = (depth: number): unknown => (depth === 0 ? {} : { items: nested(depth - 1) });
  const limit = expect.objectContaining({ code: 'limit' });

  test.each(['(a+)+$', '(a|a)*b', '(a|aa)+c', '((a*)*)*d', '(.*)(.*)(.*)(.*)(.*)e', '(a?){50}a{50}'])(
    'the pattern %s is as good as any other',
    (regex) => {
      expect(walk({ regex }).ids.length).toBeGreaterThan(0);
      const as = by.encode('a'.repeat(200));
      const constraint = constrain({ regex }, by, [end])();
      for (const id of as) {
        const mask = constraint.allowed();
        if (((mask[id >> 5] as number) >>> (id & 31)) & 1) constraint.accept(id);
      }
    },
  );

  test('an automaton of a million states is built only where it is walked', () => {
    expect(walk({ regex: '(a|b)*a(a|b){20}' }, 100).ids.length).toBeGreaterThan(10);
  });

  test('patterns that leave too much open at once end in a limit', () => {
    const as = by.encode('a'.repeat(3000));
    const constraint = constrain({ regex: '((a{1,100}){1,100}){1,100}' }, by, [end])();
    expect(() => takes(constraint, as, end)).toThrow(limit);
    const stars = Array.from({ length: 40 }, (_, i) => `(.{0,${200 + i}})`).join('');
    expect(() => walk({ regex: `${stars.repeat(8)}x` }, 200)).toThrow(limit);
  });

  test.each<[string, () => unknown]>([
    ['a long pattern', () => constrain({ regex: 'a'.repeat(20_000) }, by)],
    ['a repetition of a million', () => constrain({ regex: 'a{1000000}' }, by)],
    ['deep groups', () => constrain({ regex: `${'('.repeat(5000)}a${')'.repeat(5000)}` }, by)],
    ['a deep schema', () => constrain({ json: nested(5000) }, by)],
    ['a large schema', () => constrain({ json: { enum: Array.from({ length: 100_000 }, String) } }, by)],
    ['large choices', () => constrain({ choices: Array.from({ length: 200_000 }, (_, i) => `${i * 7919}`) }, by)],
    [
      'combinations of combinations',
      () => {
        const pair = { anyOf: [{ minimum: 1 }, { maximum: 0 }] };
        return constrain({ json: { type: 'number', allOf: Array.from({ length: 30 }, () => pair) } }, by);
      },
    ],
    [
      'lengths and patterns of too many states',
      () => constrain({ json: { type: 'string', pattern: '^(a|b)*a(a|b){14}$', maxLength: 1000 } }, by),
    ],
  ])('%s', (_, make) => {
    let code: string | undefined;
    try {
      make();
    } catch (error) {
      ({ code } = error as { code?: string });
    }
    expect(['limit', 'constraint', 'config']).toContain(code);
  });

  test('an enumeration of ten thousand texts is a tree', () => {
    const texts = Array.from({ length: 10_000 }, (_, i) => `item ${i * 7919}`);
    const constraint = constrain({ json: { enum: texts } }, by, [end])();
    expect(takes(constraint, by.encode(JSON.stringify(texts[1234])), end)).toBe(true);
  });

  test('values nest no deeper than the stack is', () => {
    const constraint = constrain({ json: true, spacing: 'compact' }, by, [end])();
    const bracket = by.encode('[')[0] as number;
    let depth = 0;
    while (idsOf(constraint.allowed()).includes(bracket) && depth < 1000) {
      constraint.accept(bracket);
      depth++;
    }
    expect(depth).toBeGreaterThan(60);
    expect(depth).toBeLessThan(300);
    // And every bracket can still be closed.
    const close = by.encode(']')[0] as number;
    for (; depth > 0; depth--) constraint.accept(close);
    expect(constraint.done).toBe(true);
  });
});

describe('schemas that answers cannot be held to are refused, with the place:', () => {
  const by = tokenizer('gpt2');
  test.each<[string, unknown, string]>([
    ['an unknown keyword', { type: 'array', contains: {} }, 'contains'],
    ['one of the draft', { type: 'array', uniqueItems: true }, 'supported are type, enum'],
    ['a number beside others', { const: 2 ** 53 }, '9007199254740992 may not be the number'],
    ['a longer one', { const: -1e21 }, '-1e+21 may not be the number'],
    ['one within a value', { enum: [1, { a: [-(2 ** 60)] }] }, 'may not be the number that was written'],
    ['a misspelt one', { type: 'string', maxLenght: 3 }, 'did you mean "maxLength"?'],
    [
      'an unknown format',
      { properties: { a: { format: 'iri' } } },
      'properties.a: answers cannot be held to the format',
    ],
    ['multipleOf', { type: 'number', multipleOf: 0.01 }, 'multipleOf'],
    ['options of oneOf that overlap', { oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'oneOf'],
    ['a reference to elsewhere', { $ref: 'https://example.org/a' }, '$ref'],
    ['a reference to nowhere', { $ref: '#/$defs/a' }, 'leads nowhere'],
    ['a reference to itself', { $ref: '#' }, 'refers to itself'],
    ['a circle of references', { anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'refers to itself'],
    ['a value without end', { type: 'array', items: { $ref: '#' }, minItems: 1 }, 'no text satisfies'],
    ['a contradiction', { allOf: [{ type: 'string' }, { type: 'null' }] }, 'no text satisfies'],
    ['false', false, 'no text satisfies'],
    ['a list', [], 'expected an object'],
    ['a malformed keyword', { type: 'string', minLength: '3' }, 'minLength: expected a whole number'],
    ['an unknown type', { type: 'text' }, 'type: expected one of'],
    ['a hidden prototype', JSON.parse('{"properties": {"__proto__": {}}}'), '__proto__'],
  ])('%s', (_, json, message) => {
    expect(() => constrain({ json }, by)).toThrow(message);
  });

  test('choices that are none', () => {
    for (const choices of [[], ['a', '']])
      expect(() => constrain({ choices }, by)).toThrow(expect.objectContaining({ code: 'constraint' }));
  });
});
