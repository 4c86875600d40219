/**
 * Models of whole words: WordPiece (BERT, Grounding DINO) takes the longest known piece from the left, WordLevel the word or nothing.
 *
 * Devlin et al., "BERT", 2019, https://arxiv.org/abs/1810.04805
 */
import { type Fields, QuintetError } from '../tensor/index.js';
import { spend } from './fuel.js';
import { readVocab, type TokenModel } from './model.js';
import { trie } from './pair-table.js';

export function wordPiece(model: Fields): TokenModel {
  const vocab = readVocab(model);
  const unknown = model.text('unk_token', '[UNK]');
  const prefix = model.text('continuing_subword_prefix', '##');
  const longestWord = model.whole('max_input_chars_per_word', 100);
  const starts = trie(vocab);
  const continuations = trie(
    [...vocab].flatMap(([text, id]) => (text.startsWith(prefix) ? [[text.slice(prefix.length), id]] : [])),
  );
  return {
    vocab,
    unknown,
    encode(word, fuel) {
      const unknownIds = (): readonly number[] => [requireId(vocab, unknown, model.at)];
      if (word.length > longestWord && Array.from(word).length > longestWord) return unknownIds();
      const ids: number[] = [];
      for (let start = 0; start < word.length; ) {
        const pieces = start === 0 ? starts : continuations;
        let longest = -1;
        let position = start;
        let end = start;
        for (let node = 0; position < word.length; ) {
          node = pieces.step(node, word.charCodeAt(position));
          if (node === -1) break;
          position++;
          const id = pieces.value(node);
          if (id !== -1) [longest, end] = [id, position];
        }
        spend(fuel, position - start + 1, 'the search for pieces');
        if (longest === -1) return unknownIds();
        ids.push(longest);
        start = end;
      }
      return ids;
    },
  };
}

export function wordLevel(model: Fields): TokenModel {
  const vocab = readVocab(model);
  const unknown = model.text('unk_token', '<unk>');
  return { vocab, unknown, encode: (word) => [vocab.get(word) ?? requireId(vocab, unknown, model.at)] };
}

function requireId(vocab: ReadonlyMap<string, number>, text: string, at: string): number {
  const id = vocab.get(text);
  if (id === undefined) throw new QuintetError('tokenizer', `unk_token "${text}" is not in the vocabulary`, { at });
  return id;
}
