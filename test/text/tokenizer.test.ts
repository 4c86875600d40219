import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createDetokenizer, createTokenizer } from '../../src/text/index.js';

interface Style {
  readonly tokenizer: unknown;
  /** Ids of every text, without special tokens around them. */
  readonly ids: readonly number[][];
  readonly surrounded: readonly number[];
  readonly lists: readonly number[][];
  readonly decoded: readonly string[];
  readonly plain: readonly string[];
}
const fixture = new URL('../fixtures/text/tokenizers.json', import.meta.url);
const { texts, styles } = JSON.parse(readFileSync(fixture, 'utf8')) as {
  texts: readonly string[];
  styles: Readonly<Record<string, Style>>;
};
const style = (name: string): Style => styles[name] as Style;

for (const [name, { tokenizer: json, ids, surrounded, lists, decoded, plain }] of Object.entries(styles)) {
  const tokenizer = createTokenizer(json);

  test(`${name}: odd texts have the ids of the tokenizers library`, () => {
    for (const [i, text] of texts.entries()) {
      expect({ text, ids: tokenizer.encode(text, { parse: true }) }).toEqual({ text, ids: ids[i] });
    }
    expect(tokenizer.encode(texts[3] as string, { special: true, parse: true })).toEqual(surrounded);
  });

  test(`${name}: odd ids have the texts of the tokenizers library, all at once and streamed`, () => {
    for (const [i, list] of lists.entries()) {
      expect(tokenizer.decode(list)).toBe(decoded[i]);
      expect(tokenizer.decode(list, { skipSpecial: true })).toBe(plain[i]);
      for (const skipSpecial of [false, true]) {
        const detokenizer = createDetokenizer(tokenizer, { skipSpecial });
        const streamed = list.map(detokenizer.push).join('') + detokenizer.flush();
        expect(streamed).toBe((skipSpecial ? plain : decoded)[i]);
      }
    }
  });

  test(`${name}: what a user types never becomes a special token`, () => {
    const special = Array.from({ length: tokenizer.size }, (_, id) => id).filter(tokenizer.isSpecial);
    const unknown = tokenizer.special.unk;
    for (const id of special) {
      const content = tokenizer.tokenOf(id) as string;
      const typed = tokenizer.encode(`a ${content}${content} b${content}`);
      const found = typed.filter((each) => each !== unknown && tokenizer.isSpecial(each));
      // A special token of one character is that character: there is no other way to write it.
      if (content.length > 1) expect({ content, found }).toEqual({ content, found: [] });
    }
  });
}

test('a picture token is one token where it is parsed and plain characters where it is typed', () => {
  const tokenizer = createTokenizer(style('llama2').tokenizer);
  const image = tokenizer.idOf('<image>') as number;
  expect(tokenizer.encode('<image>', { parse: true })).toEqual([image]);
  const typed = tokenizer.encode('<image>');
  expect(typed).not.toContain(image);
  expect(tokenizer.decode(typed)).toBe('<image>');
});

test('runs of spaces that are added tokens are found in what a user types', () => {
  const tokenizer = createTokenizer(style('gpt2').tokenizer);
  expect(tokenizer.encode('a  b')).toContain(tokenizer.idOf('  '));
});

test('no text comes out of a stream before its character is complete', () => {
  const tokenizer = createTokenizer(style('gpt2').tokenizer);
  const pencil = tokenizer.encode('✏️'); // in no sentence that the vocabulary was learnt from
  const detokenizer = createDetokenizer(tokenizer);
  expect(pencil.length).toBe(6);
  expect(pencil.map(detokenizer.push)).toEqual(['', '', '✏', '', '', '\ufe0f']);
  expect(detokenizer.flush()).toBe('');
  expect([detokenizer.push(pencil[0] as number), detokenizer.flush()]).toEqual(['', '\ufffd']);
});

test('the bytes of tokens make up the bytes of the text', () => {
  for (const [name, lead] of [
    ['gpt2', ''],
    ['llama3', ''],
    ['llama2', ' '],
  ] as const) {
    const tokenizer = createTokenizer(style(name).tokenizer);
    const text = 'Grüße 世界 🎉\n12';
    const bytes = tokenizer.encode(text).flatMap((id) => [...tokenizer.bytesOf(id)]);
    expect(bytes).toEqual([...new TextEncoder().encode(lead + text)]);
    expect(tokenizer.bytesOf(tokenizer.size)).toEqual(new Uint8Array());
  }
  const bert = createTokenizer(style('bert').tokenizer);
  expect(new TextDecoder().decode(bert.bytesOf(bert.idOf('the') as number))).toBe(' the');
  expect(new TextDecoder().decode(bert.bytesOf(bert.idOf('##e') as number))).toBe('e');
});

test('a lone surrogate counts as U+FFFD', () => {
  const tokenizer = createTokenizer(style('gpt2').tokenizer);
  expect(tokenizer.encode('a\ud800b\udc00')).toEqual(tokenizer.encode('a\ufffdb\ufffd'));
});

test('the roles of special tokens come from tokenizer_config.json, as a text or as an added token', () => {
  const config = { bos_token: '<s>', eos_token: { content: '</s>', lstrip: false }, pad_token: null };
  const tokenizer = createTokenizer(style('llama2').tokenizer, config);
  expect(tokenizer.special).toEqual({ bos: 1, eos: 2, unk: 0 });
  expect([tokenizer.isSpecial(1), tokenizer.isSpecial(300)]).toEqual([true, false]);
});

test('spaces before punctuation are cleaned up where the configuration says so, streamed or not', () => {
  const json = style('prefixed').tokenizer; // no decoder: tokens are joined by spaces
  const wordLevel = {
    ...(json as object),
    model: { type: 'WordLevel', unk_token: '?', vocab: {} as Record<string, number> },
  };
  const words = ["'", '.', '?', "n't", "'s", 'it', 'do', ',', '!', 'é', "'re"];
  for (const [id, word] of words.entries()) wordLevel.model.vocab[word] = id;
  const tokenizer = createTokenizer({ ...wordLevel, added_tokens: [] }, { clean_up_tokenization_spaces: true });
  // transformers.PreTrainedTokenizerBase.clean_up_tokenization on the same words joined by spaces
  const clean = (text: string): string =>
    [
      [' .', '.'],
      [' ?', '?'],
      [' !', '!'],
      [' ,', ','],
      [" ' ", "'"],
      [" n't", "n't"],
      [" 'm", "'m"],
      [" 's", "'s"],
      [" 've", "'ve"],
      [" 're", "'re"],
    ].reduce((sofar, [from, to]) => sofar.split(from as string).join(to), text);
  for (let seed = 0; seed < 300; seed++) {
    const ids = Array.from({ length: 1 + (seed % 9) }, (_, i) => (seed * 7919 + i * i * 31 + i * seed) % words.length);
    const joined = clean(ids.map((id) => words[id]).join(' '));
    const detokenizer = createDetokenizer(tokenizer);
    expect(tokenizer.decode(ids)).toBe(joined);
    expect(ids.map(detokenizer.push).join('') + detokenizer.flush()).toBe(joined);
  }
});
