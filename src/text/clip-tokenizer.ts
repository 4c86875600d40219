/**
 * CLIP's tokenizer from the two files that it was first published in, `vocab.json` and `merges.txt`: byte-level pairs within
 * words in small letters, each of which ends in `</w>`.
 *
 * Radford et al., 2021, section 2.4, https://arxiv.org/abs/2103.00020
 */
import { fields, QuintetError } from '../tensor/index.js';
import { createTokenizer, type Tokenizer } from './tokenizer.js';

export interface VocabularyFiles {
  /** Tokens and their ids. */
  readonly vocab: Readonly<Record<string, unknown>>;
  /** Pairs that are merged, a line each, the most frequent first. */
  readonly merges: string;
}

const [begin, end] = ['<|startoftext|>', '<|endoftext|>'];
const words = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** `config` is the parsed tokenizer_config.json. Throws 'tokenizer' where the files are not CLIP's. */
export function clipTokenizer({ vocab, merges }: VocabularyFiles, config: unknown = {}): Tokenizer {
  const ids = fields(vocab, 'vocab.json');
  const marks = [begin, end].map((content) => ({ id: ids.whole(content), content, special: true, normalized: false }));
  const lines = merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version'));
  const pairs = lines.map((line, i) => {
    const pair = line.trimEnd().split(' ');
    if (pair.length === 2) return pair;
    throw new QuintetError('tokenizer', `pair ${i + 1} is "${line.slice(0, 80)}"`, { at: 'merges.txt' });
  });
  const json = {
    added_tokens: marks,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      ...{ type: 'RobertaProcessing', trim_offsets: false, add_prefix_space: false },
      ...{ cls: [begin, marks[0]?.id], sep: [end, marks[1]?.id] },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', unk_token: end, end_of_word_suffix: '</w>', vocab, merges: pairs },
  };
  return createTokenizer(json, config, 'vocab.json');
}
