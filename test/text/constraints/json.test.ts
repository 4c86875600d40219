/** JSON schemas as constraints, against ajv (https://ajv.js.org), a validator that has nothing in common with them. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/tensor/index.js';
import { type ConstraintSpec, constrain } from '../../../src/text/constraints/index.js';
import { randomSchema, randomValue } from './schemas.js';
import { endOf, randomTokens, randomWalk, takes, tokenizer, tokenizers } from './tokenizers.js';

const validator = (schema: object | boolean) => {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  addFormats.default(ajv);
  return ajv.compile(schema);
};

const gpt = tokenizer('gpt2');
const end = endOf(gpt);
const begin = (json: unknown, spacing: 'compact' | 'flexible' = 'flexible') => constrain({ json, spacing }, gpt, [end]);

/** Whether a text may be an answer, spelled in random tokens. */
function accepts(spec: ConstraintSpec, text: string, random = new Random(1)): boolean {
  const ids = randomTokens(gpt, text, random);
  if (ids === undefined) throw new Error(`no tokens for ${text}`);
  return takes(constrain(spec, gpt, [end])(), ids, end);
}

describe('random schemas', () => {
  test('a value may be an answer if it is valid, and only then, in whatever tokens', () => {
    const random = new Random(11);
    const counts = { valid: 0, invalid: 0, impossible: 0 };
    for (let i = 0; i < 150; i++) {
      const schema = randomSchema(random, 3);
      const validate = validator(schema);
      let start: ReturnType<typeof begin>;
      try {
        start = begin(schema);
      } catch (error) {
        // Only contradictions are refused: no value of many is valid then.
        expect((error as Error).message).toContain('no text satisfies');
        for (let j = 0; j < 20; j++) expect(validate(randomValue(random, schema))).toBe(false);
        counts.impossible++;
        continue;
      }
      for (let j = 0; j < 8; j++) {
        const value = randomValue(random, schema);
        const valid = validate(value);
        counts[valid ? 'valid' : 'invalid']++;
        const text = JSON.stringify(value, null, random.integer(2) * 2);
        const ids = randomTokens(gpt, text, random) as number[];
        if (takes(start(), ids, end) !== valid)
          throw new Error(`${text} is ${valid ? '' : 'in'}valid under ${JSON.stringify(schema)}`);
      }
    }
    expect(counts.valid).toBeGreaterThan(200);
    expect(counts.invalid).toBeGreaterThan(200);
    expect(counts.impossible).toBeLessThan(20);
  });

  test('whatever tokens are drawn, whole answers are valid', () => {
    const random = new Random(12);
    const complete = ['gpt2', 'llama3', 'llama2', 'unigram bytes', 'roberta', 'llama model', 'nano'];
    let whole = 0;
    for (let i = 0; i < 100; i++) {
      const schema = randomSchema(random, 3);
      const validate = validator(schema);
      const name = complete[i % complete.length] as string;
      const by = tokenizer(name);
      const ends = [endOf(by)];
      let start: ReturnType<typeof begin>;
      try {
        start = constrain({ json: schema, spacing: i % 2 ? 'compact' : 'flexible' }, by, ends);
      } catch {
        continue;
      }
      for (let j = 0; j < 4; j++) {
        const { ids, ended } = randomWalk(start(), ends, random, 400);
        if (!ended) continue;
        whole++;
        const text = by.decode(ids);
        if (!validate(JSON.parse(text))) throw new Error(`${name}: ${text} under ${JSON.stringify(schema)}`);
      }
    }
    expect(whole).toBeGreaterThan(150);
  });
});

describe('what schemas say', () => {
  const tree = {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
        required: ['value'],
        additionalProperties: false,
      },
    },
  };
  test.each<[string, object | boolean, string[], string[]]>([
    ['true is any JSON', true, ['[]', '{"a":[{}]}', '-1.5e3', '"x"', 'null'], ['', '[', '01', '+1', '{a:1}', '"\n"']],
    [
      'schemas that refer to themselves',
      tree,
      ['{"value":1}', '{"value":1, "children":[{"value":2},{"value":3,"children":[]}]}'],
      ['{"value":1,"children":[{}]}', '{"children":[],"value":1}'],
    ],
    [
      'properties in order, optional ones left out',
      { type: 'object', properties: { a: {}, b: {}, c: {} }, required: ['b'], additionalProperties: false },
      ['{"b":1}', '{"a":1,"b":2,"c":3}', '{"b":1,"c":2}'],
      ['{}', '{"a":1}', '{"b":1,"a":1}', '{,"b":1}', '{"b":1,}', '{"b":1,"b":1}'],
    ],
    [
      'other properties never hide a named one',
      { type: 'object', properties: { a: { type: 'integer' } }, additionalProperties: { type: 'string' } },
      ['{"a":1,"b":"x"}', '{"b":"x"}', '{"aa":"x","":""}', '{"\\n":"x"}'],
      ['{"a":"x"}', '{"b":"x","a":1}', '{"\\u0061":"x"}', '{"b":1}'],
    ],
    [
      'required names without a property',
      { type: 'object', required: ['z'], additionalProperties: { type: 'boolean' } },
      ['{"z":true}', '{"z":true,"y":false}'],
      ['{}', '{"y":true}'],
    ],
    [
      'how many properties there are, of those that have names',
      {
        type: 'object',
        properties: { a: {}, b: {}, c: {}, d: {} },
        required: ['c'],
        minProperties: 2,
        maxProperties: 3,
        additionalProperties: false,
      },
      ['{"a":1,"c":2}', '{"c":1,"d":2}', '{"b":1,"c":2,"d":3}'],
      ['{}', '{"c":1}', '{"a":1,"b":2}', '{"a":1,"b":2,"c":3,"d":4}', '{"a":1,"b":2,"d":3}', '{"a":1,"c":2,}'],
    ],
    [
      'how many properties there are, of any names',
      { type: 'object', properties: { a: {} }, minProperties: 1, maxProperties: 3 },
      ['{"a":1}', '{"x":1}', '{"a":1,"x":2}', '{"x":1,"y":2,"z":3}', '{"a":1,"x":2,"y":3}'],
      ['{}', '{"a":1,"x":2,"y":3,"z":4}', '{"w":0,"x":1,"y":2,"z":3}'],
    ],
    ['no property at all', { type: 'object', maxProperties: 0 }, ['{}', '{ }'], ['{"a":1}']],
    [
      'numbers of properties together',
      {
        allOf: [
          { minProperties: 1, maxProperties: 5 },
          { maxProperties: 1, properties: { a: {} } },
        ],
      },
      ['{"a":1}', '{"b":1}'],
      ['{}', '{"a":1,"b":1}'],
    ],
    [
      'values whose number of properties fits',
      { enum: [{}, { a: 1 }, { a: 1, b: 2 }], minProperties: 1, maxProperties: 1 },
      ['{"a":1}'],
      ['{}', '{"a":1,"b":2}'],
    ],
    [
      'oneOf where numbers of properties tell the options apart',
      {
        oneOf: [
          { type: 'object', properties: { a: {}, b: {} }, required: ['a', 'b'], additionalProperties: false },
          { type: 'object', properties: { a: {} }, maxProperties: 1 },
        ],
      },
      ['{"a":1,"b":2}', '{}', '{"x":1}'],
      ['{"a":1,"x":2}', '{"a":1,"b":2,"c":3}'],
    ],
    [
      'oneOf where a property tells the options apart',
      {
        oneOf: [
          { type: 'object', properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['kind'] },
          { type: 'object', properties: { kind: { const: 'b' }, y: { type: 'integer' } }, required: ['kind'] },
          { type: 'null' },
        ],
      },
      ['{"kind":"a","x":1}', '{"kind":"b","y":1}', 'null'],
      ['{"kind":"c"}', '{"kind":"a","x":"1"}'],
    ],
    [
      'allOf narrows',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'number', minimum: 2 } }, additionalProperties: false },
          { properties: { a: { type: 'integer', maximum: 4 } }, required: ['a'] },
        ],
      },
      ['{"a":2}', '{"a":4}'],
      ['{}', '{"a":1}', '{"a":5}', '{"a":2.5}', '{"a":3,"b":1}'],
    ],
    [
      'patterns and lengths together, counted in characters of the string',
      { type: 'string', pattern: '^[a🎉"]+$', minLength: 2, maxLength: 3 },
      ['"aa"', '"🎉🎉a"', '"\\"\\"\\""'],
      ['"a"', '"aaaa"', '"ab"', '"🎉"'],
    ],
    [
      'tuples',
      { type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], items: false, minItems: 1 },
      ['[1]', '[1,2]'],
      ['[]', '[2]', '[1,2,3]'],
    ],
    ['nullable', { type: 'string', nullable: true }, ['null', '"a"'], ['1']],
    [
      'values that the rest of the schema leaves',
      { enum: ['aa', 'b', 3, 'ccc'], type: 'string', minLength: 2, pattern: '^a' },
      ['"aa"'],
      ['"b"', '3', '"ccc"'],
    ],
    [
      'an object is no list of its entries, and the order of its keys does not matter',
      {
        allOf: [{ enum: [{ a: 1 }, { b: 1, c: 2 }, [['a', 1]]] }, { enum: [{ c: 2, b: 1 }, [['a', 1]]] }],
      },
      ['[["a",1]]', '{"b":1,"c":2}'],
      ['{"a":1}'],
    ],
    [
      'strict bounds',
      { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
      ['0.5', '0.001'],
      ['0', '0.0', '1', '1.0', '-0.5'],
    ],
    [
      'whole bounds',
      { type: 'integer', minimum: -12, maximum: 105 },
      ['-12', '-9', '0', '99', '105'],
      ['-13', '106', '1000', '007', '1.0'],
    ],
  ])('%s', (_, schema, good, bad) => {
    const validate = validator(schema);
    for (const text of good) expect({ text, valid: validate(JSON.parse(text)) }).toEqual({ text, valid: true });
    for (const [wanted, list] of [
      [true, good],
      [false, bad],
    ] as const)
      for (const text of list)
        expect({ text, taken: accepts({ json: schema }, text) }).toEqual({ text, taken: wanted });
  });

  test('all whole numbers and many decimals lie within bounds or not as arithmetic says', () => {
    const random = new Random(5);
    for (let i = 0; i < 120; i++) {
      const digits = random.integer(4);
      const number = (): number => Number((random.normal() * 10 ** random.integer(4)).toFixed(digits));
      const [a, b] = [number(), number()];
      const [low, high] = a < b ? [a, b] : [b, a];
      const strict = random.uniform() < 0.5;
      const bounds = strict ? { exclusiveMinimum: low, exclusiveMaximum: high } : { minimum: low, maximum: high };
      for (const type of ['integer', 'number']) {
        let start: ReturnType<typeof begin> | undefined;
        try {
          start = begin({ type, ...bounds });
        } catch {
          start = undefined;
        }
        const near = [low, high, low - 1, high + 1, low + 0.001, high - 0.001, number(), (low + high) / 2, 0];
        for (const value of type === 'integer' ? near.map(Math.round) : near.map((x) => Number(x.toFixed(5)))) {
          const wanted = strict ? value > low && value < high : value >= low && value <= high;
          const text = String(value);
          const taken = start !== undefined && takes(start(), randomTokens(gpt, text, random) as number[], end);
          expect({ type, bounds, text, taken }).toEqual({ type, bounds, text, taken: wanted });
        }
      }
    }
  });

  test('drawn numbers are finite and within strict bounds after they are read', () => {
    const random = new Random(6);
    for (const schema of [{ type: 'number' }, { type: 'number', exclusiveMaximum: 1, exclusiveMinimum: -1e-3 }]) {
      const [start, validate] = [begin(schema), validator(schema)];
      for (let i = 0; i < 300; i++) {
        const { ids } = randomWalk(start(), [end], random, 100);
        const value: unknown = JSON.parse(gpt.decode(ids));
        expect(Number.isFinite(value) && validate(value), gpt.decode(ids)).toBe(true);
      }
    }
  });

  test.each([
    ['date', ['2024-02-29', '2023-12-31', '1900-02-28'], ['2023-02-29', '2023-04-31', '2023-13-01', '1900-02-29']],
    ['time', ['23:59:59Z', '00:00:00.5+01:30'], ['24:00:00Z', '10:00:00']],
    ['date-time', ['2024-02-29T12:00:00Z'], ['2024-02-29 12:00:00', '2024-02-30T12:00:00Z']],
    ['duration', ['P1Y2M3D', 'PT5M', 'P2W', 'P1DT1H'], ['P', 'PT', 'P1Y2D', '1D']],
    ['email', ['a.b@example.org'], ['a@b@c.de', '@b.de', 'a.b']],
    ['hostname', ['a-b.example'], ['-a', 'a..b']],
    ['ipv4', ['0.10.200.255'], ['256.0.0.0', '1.2.3']],
    [
      'ipv6',
      [
        '2001:db8::8a2e:370:7334',
        '::',
        '::1',
        'fe80::',
        '1:2:3:4:5:6:7:8',
        '1:2:3:4:5:6:7::',
        '::2:3:4:5:6:7:8',
        'A::1.2.3.4',
      ],
      [
        '1:2:3:4:5:6:7',
        '1::2::3',
        '12345::',
        ':1',
        '1:2:3:4:5:6:7:8:9',
        '1:2:3:4::5:6:7:8',
        '1.2.3.4',
        '::1.2.3.256',
        'g::',
      ],
    ],
    ['uri', ['https://example.org/a?b=c#d'], ['no uri']],
    ['uuid', ['123e4567-e89b-12d3-a456-426614174000'], ['123e4567']],
  ])('the format %s', (format, good, bad) => {
    const [schema, random] = [{ type: 'string', format }, new Random(7)];
    const validate = validator(schema);
    for (const text of good) expect([text, accepts({ json: schema }, JSON.stringify(text))]).toEqual([text, true]);
    for (const text of bad) expect([text, accepts({ json: schema }, JSON.stringify(text))]).toEqual([text, false]);
    for (let i = 0; i < 40; i++) {
      const { ids } = randomWalk(begin(schema)(), [end], random, 120);
      const text = gpt.decode(ids);
      if (text.endsWith('"') && text.length > 1) expect([text, validate(JSON.parse(text))]).toEqual([text, true]);
    }
  });
});

test('a least number of properties is not made up of one name that comes again', () => {
  const schema = { type: 'object', properties: { a: {}, b: {} }, minProperties: 3 };
  expect(accepts({ json: schema }, '{"a":1,"b":2,"x":3,"y":4}')).toBe(true);
  expect(accepts({ json: schema }, '{"a":1,"x":2,"x":3}')).toBe(false);
  expect(() => begin({ ...schema, minProperties: 4 })).toThrow('minProperties 4: only 2 of them have names');
});

test('spacing is none, or a space or line ends with an indentation', () => {
  const schema = { type: 'array', items: { type: 'object', properties: { a: { type: 'integer' } } } };
  const value = [{ a: 1 }, {}];
  for (const [spacing, wanted] of [
    ['compact', [true, false, false, false]],
    ['flexible', [true, true, true, false]],
  ] as const) {
    const texts = [JSON.stringify(value), JSON.stringify(value, null, 2), '[{"a": 1}, {}]', '[{"a":  1},{}]'];
    expect(texts.map((text) => accepts({ json: schema, spacing }, text))).toEqual(wanted);
  }
});

test('tokens that cross the borders of values are allowed where all they hold is', () => {
  const words = ['{"a', '":', ' "', '",', ' "b', '": [', '"}', '"]', ']}', '"]}', 'x', '": 1', '"'];
  const json = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'array', items: { const: 'x' } } } };
  const by = {
    ...gpt,
    size: words.length + 1,
    special: {},
    isSpecial: (id: number) => id === words.length,
    bytesOf: (id: number) => new TextEncoder().encode(words[id]),
  };
  const constraint = constrain({ json: { ...json, required: ['a', 'b'] } }, by, [words.length])();
  for (const [taken, refused] of [
    ['{"a', ['"}', ']}', 'x']],
    ['":', ['",', '": [', 'x']],
    [' "', ['x', ']}']],
    ['x', ['"}', '"]}', '":']],
    ['",', ['"}', '"]']],
    [' "b', ['"}', 'x']],
    ['": [', ['",', ' "', 'x']],
    ['"', ['": 1', 'x', '"}']],
    ['x', [' "', '",', '"}']],
    ['"]}', ['"}', ' "b']],
  ] as const) {
    const allowed = new Set(Array.from(words).filter((_, id) => ((constraint.allowed()[0] as number) >>> id) & 1));
    expect(allowed).toContain(taken);
    for (const word of refused) expect(allowed).not.toContain(word);
    constraint.accept(words.indexOf(taken));
  }
  expect(constraint.done).toBe(true);
});

test('a vocabulary that cannot spell an answer says so before the first token', () => {
  for (const name of ['t5', 'bert', 'prefixed'])
    expect(() =>
      constrain({ json: { type: 'object', required: ['a'] } }, tokenizers[name] as typeof gpt, [0])().allowed(),
    ).toThrow(expect.objectContaining({ code: 'constraint' }));
});
