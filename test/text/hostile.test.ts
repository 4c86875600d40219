import { expect, test } from 'vitest';
import { QuintetError } from '../../src/tensor/index.js';
import { createTokenizer, renderChat } from '../../src/text/index.js';

const nested = (open: string, inner: string, close: string, times: number): string =>
  open.repeat(times) + inner + close.repeat(times);
/** A namespace whose `s` goes through the same change sixty times. */
const sixty = (start: string, change: string, end = ''): string =>
  `{% set ns = namespace(s=${start}) %}{% for i in range(60) %}{% set ns.s = ${change} %}{% endfor %}${end}`;
const loops = (inner: string): string => `{% for i in range(100000) %}${inner}{% endfor %}`;

/** The same thing three hundred times over with one long text. */
const often = (start: string, change: string): string =>
  `{% set s = ${start} %}{% for i in range(300) %}{% set t = ${change} %}{% endfor %}`;

const hostile: readonly string[] = [
  '{{ range(200000000) | length }}',
  '{{ range(0, 10 ** 15) | list }}',
  loops(loops('x')),
  '{% for a in range(300) %}{% for b in range(300) %}{% for c in range(300) %}{% endfor %}{% endfor %}{% endfor %}',
  sixty("'aaaa'", 'ns.s + ns.s'),
  sixty("'aaaa'", 'ns.s ~ ns.s'),
  sixty("'a'", "ns.s | replace('a', 'aa')"),
  sixty("'&&'", 'ns.s | escape', '{{ ns.s * 100000 }}'),
  sixty('[1]', 'ns.s + ns.s'),
  sixty('[1]', '[ns.s, ns.s]', '{{ ns.s }}'),
  sixty('[1]', '[ns.s, ns.s]', '{{ ns.s | tojson }}'),
  sixty('[1]', '[ns.s, ns.s]', '{{ ns.s | tojson(indent=60) }}'),
  sixty('[1]', '[ns.s, ns.s]', "{{ ns.s == ns.s | map('list') | list }}{{ ns.s }}"),
  sixty("'a'", 'ns.s', '{% set t %}{{ ns.s * 3000000 }}{{ ns.s * 3000000 }}{% endset %}'),
  `{% set ns = namespace(l=[1]) %}${loops('{% set ns.l = [ns.l] %}')}{{ ns.l }}`,
  `{% set ns = namespace(l=[1], m=[1]) %}${loops('{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}')}{{ ns.l == ns.m }}`,
  "{{ 'a' * 1000000000 }}",
  "{{ 'a' * 1000000 * 1000000 }}",
  '{{ [1] * 1000000000 }}',
  "{{ 'a\nb' | indent(200000000) }}",
  "{{ ('\n' * 1000000) | indent(1000, blank=true) }}",
  "{{ 'a' | center(2000000000) }}",
  "{{ 'a'.ljust(2000000000) }}",
  "{{ '1'.zfill(2000000000) }}",
  "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
  "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
  "{{ range(100000) | join('x' * 1000000) }}",
  "{{ [1] | batch(1000000000, 'x') | list }}",
  "{{ [1] | slice(1000000000, 'x') | list }}",
  "{{ '%999d' % 1 * 1000000 }}",
  loops('{% set x = range(100000) | sort(reverse=true) %}'),
  loops("{{ 'a' * 10000 }}"),
  loops("{% set x = ('a' * 4000000) | upper %}"),
  loops("{% set x = ('a ' * 100000).split() %}"),
  loops("{{ ('b' ~ 'a' * 1000) in ('a' * 1000000) }}"),
  "{{ (('a' * 2000000) ~ 'c') in ('a' * 4000000) }}",
  "{{ ('a' * 4000000).split('a') | length }}",
  "{% for c in 'a' * 4000000 %}{% endfor %}",
  often("'x' * 400000", '{s: 1}'),
  often("'x' * 400000", 's in {}'),
  often("'x' * 400000", '{}[s]'),
  often("'x' * 400000", '{}.get(s)'),
  often("'x' * 400000", '{}.get((s, s))'),
  often("'x' * 400000", 's.removeprefix(s)'),
  often("'x' * 400000", 's.removesuffix(s)'),
  often("'1' * 400000", 's | int'),
  often("'1' * 400000", 's | float'),
  often("'a ' * 20000", 's | wordcount'),
  often("'a ' * 20000", 's.title()'),
  often("'%%' * 20000", 's % ()'),
  often("'é' * 40000", 's | tojson(ensure_ascii=true)'),
  '{{ 10 ** 10 ** 10 }}',
  '{{ 1.5 | round(400) }}',
  '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
  '{% macro f(n) %}{{ g(n) }}{% endmacro %}{% macro g(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}',
  '{% macro f(n) %}{% if n > 1 %}{{ f(n - 1) }}{{ f(n - 2) }}{% endif %}{% endmacro %}{{ f(60) }}',
  '{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}',
  '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
  '{% filter center(1000000000) %}x{% endfilter %}',
  `{{ ${nested('(', '1', ')', 100_000)} }}`,
  `{{ ${nested('[', '1', ']', 100_000)} }}`,
  `{{ ${nested('{1:', '1', '}', 60_000)} }}`,
  `{{ ${nested('f(', '1', ')', 100_000)} }}`,
  `{{ ${nested('a[', '1', ']', 100_000)} }}`,
  `{{ ${'-'.repeat(100_000)} 1 }}`,
  `{{ ${'1+'.repeat(100_000)}1 }}`,
  `{{ ${'0 or '.repeat(90_000)}1 }}`,
  `{{ ${'1 if 0 else '.repeat(30_000)}1 }}`,
  `{{ messages${'[0]'.repeat(100_000)} }}`,
  `{{ 1 ${'| string '.repeat(50_000)} }}`,
  '{% if 1 %}'.repeat(40_000),
  '{% for x in [1] %}'.repeat(20_000),
  `{% set ${nested('(', 'a', ',)', 50_000)} = 1 %}`,
  'a'.repeat(600_000),
  '{#'.repeat(200_000),
  '{{'.repeat(200_000),
];

test('hostile templates end in an error, having taken few steps', () => {
  expect(hostile.length).toBeGreaterThan(40);
  for (const template of hostile) {
    const render = () => renderChat(template, [{ role: 'user', content: 'hi' }], { limits: { steps: 300_000 } });
    expect(render, template.slice(0, 100)).toThrow(QuintetError);
  }
});

test('a text of digits that is no number is told so at once', () => {
  const started = performance.now();
  expect(renderChat("{{ ('1' * 20000 ~ 'x') | float }}", []).text).toBe('0.0');
  expect(performance.now() - started).toBeLessThan(300);
});

test('the default limits hold as well', () => {
  expect(() => renderChat(loops(loops('x')), [])).toThrow('takes more than 2000000 steps');
  expect(() => renderChat(loops("{{ 'a' * 10000 }}"), [])).toThrow('writes more than 4194304 characters');
});

const bpe = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
const file = (parts: object): object => ({ added_tokens: [], model: bpe, ...parts });
const model = (parts: object): object => file({ model: { ...bpe, ...parts } });
const deep = (list: string): object =>
  Array.from({ length: 50_000 }).reduce<object>((inner) => ({ type: 'Sequence', [list]: [inner] }), { type: 'NFC' });
const many = (step: object): object[] => Array.from({ length: 60 }, () => step);
const doubling = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };

test('malformed and hostile tokenizer files are refused', () => {
  const files: readonly unknown[] = [
    null,
    [],
    {},
    model({ type: 'constructor' }),
    model({ vocab: ['a'] }),
    model({ vocab: { a: 'x' } }),
    model({ vocab: { a: -1 } }),
    model({ vocab: { a: 0.5 } }),
    model({ vocab: { a: 4e9 } }),
    model({ vocab: { ['a'.repeat(70_000)]: 0 } }),
    model({ merges: {} }),
    model({ merges: [1] }),
    model({ merges: ['a'] }),
    model({ merges: ['a c'] }),
    model({ merges: ['b a'] }),
    file({ model: { type: 'Unigram', vocab: [['a', -1]], unk_id: 7 } }),
    file({ model: { type: 'Unigram', vocab: [['a', 'x']] } }),
    file({ added_tokens: 'x' }),
    file({ added_tokens: [{ id: 3, content: 5 }] }),
    file({ normalizer: { type: '__proto__' } }),
    file({ normalizer: { type: 'Precompiled', precompiled_charsmap: '!' } }),
    file({ normalizer: { type: 'Precompiled', precompiled_charsmap: btoa('\xff\xff\xff\x7fabc') } }),
    file({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(a' }, behavior: 'Isolated' } }),
    file({ pre_tokenizer: { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Sideways' } }),
    file({ pre_tokenizer: { type: 'Metaspace', replacement: 'xx' } }),
    file({ pre_tokenizer: { type: 'Metaspace', replacement: 'xx', split: false } }),
    model({ byte_fallback: true, continuing_subword_prefix: 'x'.repeat(3_000_000) }),
    model({ byte_fallback: true, end_of_word_suffix: 'x'.repeat(3_000_000) }),
    file({ post_processor: { type: 'TemplateProcessing', single: [{ Sequence: {} }, { Sequence: {} }] } }),
    file({ decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'WordPiece' }] } }),
    file({ normalizer: deep('normalizers') }),
    file({ pre_tokenizer: deep('pretokenizers') }),
    file({ post_processor: deep('processors') }),
    file({ decoder: deep('decoders') }),
  ];
  for (const [i, each] of files.entries()) expect(() => createTokenizer(each), `file ${i}`).toThrow(QuintetError);
});

test('files that make a text or the work too large fail on the text', () => {
  const files: readonly object[] = [
    file({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated' } }),
    file({ normalizer: { type: 'Sequence', normalizers: many(doubling) } }),
    file({ normalizer: { ...doubling, content: 'b'.repeat(60_000) } }),
    file({
      normalizer: { type: 'Prepend', prepend: ' '.repeat(2_000_000) },
      pre_tokenizer: { type: 'WhitespaceSplit' },
    }),
    file({ normalizer: { type: 'Sequence', normalizers: many({ type: 'Prepend', prepend: 'a'.repeat(60_000) }) } }),
    file({ pre_tokenizer: { type: 'Sequence', pretokenizers: many({ type: 'ByteLevel', use_regex: false }) } }),
    file({ added_tokens: [{ content: `${'a'.repeat(40_000)}c`, special: true }] }),
    file({
      model: {
        type: 'Unigram',
        vocab: [
          ['a', -1],
          ['a'.repeat(40_000), -2],
        ],
        unk_id: 0,
      },
    }),
  ];
  for (const [i, each] of files.entries()) {
    const tokenizer = createTokenizer(each);
    expect(() => tokenizer.encode(`${'a'.repeat(60_000)}é`, { parse: true }), `file ${i}`).toThrow(QuintetError);
  }
  const growing = createTokenizer(file({ decoder: { type: 'Sequence', decoders: many(doubling) } }));
  expect(() => growing.decode([0])).toThrow(QuintetError);
});

test('cyclic, empty and self merges end', () => {
  const cyclic = model({
    vocab: { a: 0, b: 1, ab: 2, aba: 3, bab: 4, abab: 5 },
    merges: ['a b', 'ab a', 'b ab', 'ab ab'],
  });
  expect(createTokenizer(cyclic).encode('ab'.repeat(1000))).toEqual(Array.from({ length: 500 }, () => 5));
  const empty = model({ vocab: { '': 0, a: 1 }, merges: [['', 'a']] });
  expect(createTokenizer(empty).encode('aa')).toEqual([1, 1]);
  const self = model({ vocab: { a: 0, aa: 0 }, merges: ['a a'] });
  expect(createTokenizer(self).encode('a'.repeat(1000))).toEqual([0]);
});

test('a long text costs a linear number of steps', () => {
  const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false };
  const tokenizer = createTokenizer(file({ pre_tokenizer, model: { ...bpe, vocab: { ...bpe.vocab, Ġ: 3, ab: 2 } } }));
  for (const text of ['ab '.repeat(70_000), 'ab'.repeat(100_000), ' '.repeat(200_000)]) {
    expect(tokenizer.encode(text).length).toBeGreaterThan(0);
  }
});
