/**
 * The character map of a SentencePiece model (`precompiled_charsmap`): a double-array trie from byte sequences to offsets in
 * a list of replacements. Layout: https://github.com/google/sentencepiece/blob/master/src/normalizer.cc; how graphemes are
 * looked up: https://github.com/huggingface/tokenizers/blob/main/tokenizers/src/normalizers/precompiled.rs.
 */
import { QuintetError } from '../tensor/index.js';

/** Graphemes of this many bytes and more are looked up character by character. */
const longGrapheme = 6;
/** In bytes; NFKC writes 33 for U+FDFA. */
const longestReplacement = 256;

export function precompiledMap(base64: string, at: string): (text: string) => string {
  const { units, replacements } = readMap(base64, at);
  const encoder = new TextEncoder();
  const known = new Map<string, string | undefined>();

  /** The replacement of the shortest prefix of the chunk that the trie holds, as the reference does it. */
  function lookUp(chunk: string): string | undefined {
    let position = 0;
    let node = units[0] ?? 0;
    position ^= offset(node);
    for (const byte of encoder.encode(chunk)) {
      if (byte === 0) return undefined;
      position ^= byte;
      node = units[position] ?? 0;
      if ((node & 0x800000ff) >>> 0 !== byte) return undefined;
      position ^= offset(node);
      if (((node >>> 8) & 1) === 1) return replacementAt((units[position] ?? 0) & 0x7fffffff);
    }
    return undefined;
  }

  function replacementAt(start: number): string {
    const part = replacements.subarray(start, start + longestReplacement);
    const end = part.indexOf(0);
    if (end === -1 && part.length === longestReplacement)
      throw new QuintetError('tokenizer', 'precompiled_charsmap has a replacement without an end', { at });
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(end === -1 ? part : part.subarray(0, end));
  }

  function transform(chunk: string): string | undefined {
    if (known.has(chunk)) return known.get(chunk);
    const found = lookUp(chunk);
    if (known.size > 50_000) known.clear();
    known.set(chunk, found);
    return found;
  }

  const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
  return (text) => {
    let result = '';
    for (const { segment } of graphemes.segment(text)) {
      const whole = encoder.encode(segment).length < longGrapheme ? transform(segment) : undefined;
      if (whole !== undefined) result += whole;
      else for (const char of segment) result += transform(char) ?? char;
    }
    return result;
  };
}

/** Where the children of a trie unit lie, relative to it. */
function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

function readMap(base64: string, at: string): { units: Uint32Array; replacements: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch (cause) {
    throw new QuintetError('tokenizer', 'precompiled_charsmap is not base64', { at, cause });
  }
  const view = new DataView(bytes.buffer);
  const size = bytes.length >= 4 ? view.getUint32(0, true) : -1;
  if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
    throw new QuintetError('tokenizer', 'precompiled_charsmap does not hold the trie that its header announces', {
      at,
    });
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  return { units, replacements: bytes.subarray(4 + size) };
}
