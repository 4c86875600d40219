/**
 * The decoders of tokenizer.json, written as streams: tokens go in one after another, text comes out as soon as it is certain.
 * Decoding a list is pushing all of it, so streamed text is the decoded text by construction.
 */
import { type Fields, fields, QuintetError } from '../tensor/index.js';
import { bytesOfChars } from './byte-level.js';
import { cleanUpToken } from './clean-up.js';
import { fuelFor } from './fuel.js';
import { readPattern } from './pattern.js';
import { prependScheme } from './split.js';

/** One step of decoding: tokens in, tokens out; what it holds back comes with `flush`. */
export interface TextStage {
  push(token: string): readonly string[];
  flush(): readonly string[];
}

export interface TextStream {
  push(token: string): string;
  /** What was held back. The stream starts anew afterwards. */
  flush(): string;
}

export interface TokenDecoder {
  stream(): TextStream;
  /** The bytes that a token stands for in the middle of a text, or at its beginning. */
  bytes(token: string, isFirst: boolean): Uint8Array;
}

/** A decoder as it stands in the file. `fused` says that the tokens before it were joined, so that it sees a single one. */
type StageMaker = (spec: Fields, fused: boolean) => () => TextStage;

const kinds: Readonly<Record<string, StageMaker>> = {
  ByteLevel: () => byteLevelStage,
  ByteFallback: perTokenOnly(() => byteFallbackStage),
  Fuse: () => () => mapStage((token) => token),
  Strip: stripStage,
  Replace: replaceStage,
  Metaspace: metaspaceStage,
  WordPiece: perTokenOnly(wordPieceStage),
  BPEDecoder: perTokenOnly(suffixStage),
  CTC: perTokenOnly(ctcStage),
};
const joining = ['ByteLevel', 'Fuse'];

/** The decoder of a tokenizer.json; without one tokens are joined by spaces. `last` is a further stage over the text. */
export function tokenDecoder(spec: unknown, at: string, last?: () => TextStage): TokenDecoder {
  const specs = spec === undefined || spec === null ? [] : flatten(fields(spec, `${at}: decoder`));
  const makers: (() => TextStage)[] = specs.length === 0 ? [spacedStage] : [];
  let fused = false;
  for (const step of specs) {
    const kind = step.text('type');
    const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (make === undefined) throw new QuintetError('tokenizer', `an unknown decoder "${kind}"`, { at: step.at });
    makers.push(make(step, fused));
    fused ||= joining.includes(kind);
  }
  const names = specs.map((step) => step.text('type'));
  return {
    stream: () => connect([...makers, ...(last === undefined ? [] : [last])].map((make) => make())),
    bytes(token, isFirst) {
      if (names.includes('ByteLevel')) return bytesOfChars(token);
      const byte = names.includes('ByteFallback') ? byteOf(token) : undefined;
      // A space at the beginning may be taken away.
      if (byte !== undefined && !(isFirst && byte === 0x20)) return Uint8Array.of(byte);
      return new TextEncoder().encode(textAfter(makers, isFirst ? [] : ['a'], token));
    },
  };
}

/** The text of a token between others: what those and a "b" after it alone do not account for. */
function textAfter(makers: readonly (() => TextStage)[], before: readonly string[], token: string): string {
  const decode = (tokens: readonly string[]): string => {
    const stream = connect(makers.map((make) => make()));
    return tokens.map(stream.push).join('') + stream.flush();
  };
  const left = before.join('').length;
  const right = decode(['a', 'b']).length - 'a'.length;
  const whole = decode([...before, token, 'b']);
  return whole.slice(left, whole.length - right);
}

function connect(stages: readonly TextStage[]): TextStream {
  const from = (first: number, tokens: readonly string[]): string => {
    let current = tokens;
    for (let i = first; i < stages.length && current.length > 0; i++)
      current = current.flatMap((stages[i] as TextStage).push);
    return current.join('');
  };
  return {
    push: (token) => from(0, [token]),
    flush: () => stages.map((stage, i) => from(i + 1, stage.flush())).join(''),
  };
}

function flatten(spec: Fields): readonly Fields[] {
  return spec.text('type') === 'Sequence' ? spec.objects('decoders').flatMap(flatten) : [spec];
}

function perTokenOnly(make: (spec: Fields) => () => TextStage): StageMaker {
  return (spec, fused) => {
    if (!fused) return make(spec);
    throw new QuintetError('tokenizer', `the decoder ${spec.text('type')} cannot stand after tokens were joined`, {
      at: spec.at,
    });
  };
}

function mapStage(change: (token: string) => string): TextStage {
  return { push: (token) => [change(token)], flush: () => [] };
}

/** Calls `change` with whether this is the first token. */
function firstStage(change: (token: string, isFirst: boolean) => string): TextStage {
  let isFirst = true;
  return {
    push(token) {
      const text = change(token, isFirst);
      isFirst = false;
      return [text];
    },
    flush() {
      isFirst = true;
      return [];
    },
  };
}

function spacedStage(): TextStage {
  return firstStage((token, isFirst) => (isFirst ? token : ` ${token}`));
}

/** Bytes to text: an incomplete character waits, an invalid one is U+FFFD. */
function byteLevelStage(): TextStage {
  let decoder = newDecoder();
  return {
    push: (token) => [decoder.decode(bytesOfChars(token), { stream: true })],
    flush() {
      const rest = decoder.decode();
      decoder = newDecoder();
      return rest === '' ? [] : [rest];
    },
  };
}

function newDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}

/** A run of byte tokens is one text, or, if it is not valid UTF-8 as a whole, a U+FFFD a byte; so it waits for its end. */
function byteFallbackStage(): TextStage {
  let bytes: number[] = [];
  const run = (): readonly string[] => {
    if (bytes.length === 0) return [];
    const held = Uint8Array.from(bytes);
    bytes = [];
    try {
      return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(held)];
    } catch {
      return ['\ufffd'.repeat(held.length)];
    }
  };
  return {
    push(token) {
      const byte = byteOf(token);
      if (byte === undefined) return [...run(), token];
      bytes.push(byte);
      return [];
    },
    flush: run,
  };
}

function byteOf(token: string): number | undefined {
  const found = /^<0x([0-9a-fA-F]{2})>$/.exec(token);
  return found === null ? undefined : Number.parseInt(found[1] as string, 16);
}

/** Takes up to `start` characters off the front of each token and `stop` off its end; of the whole text once joined. */
function stripStage(spec: Fields, fused: boolean): () => TextStage {
  const content = spec.text('content', ' ');
  const [start, stop] = [spec.whole('start', 0), spec.whole('stop', 0)];
  const front = (text: string, most: number): number => {
    let count = 0;
    while (count < most && text.startsWith(content, count * content.length)) count++;
    return count;
  };
  const back = (text: string, most: number): number => {
    let count = 0;
    while (count < most && text.slice(0, text.length - count * content.length).endsWith(content)) count++;
    return count;
  };
  if (content === '' || start > 1000 || stop > 1000)
    throw new QuintetError('tokenizer', 'an unusable Strip', { at: spec.at });
  if (!fused) {
    return () =>
      mapStage((token) => {
        const cut = token.slice(front(token, start) * content.length);
        return cut.slice(0, cut.length - back(cut, stop) * content.length);
      });
  }
  return () => {
    let toStrip = start;
    let held = '';
    return {
      push(token) {
        let text = token;
        if (toStrip > 0 && text !== '') {
          const count = front(text, toStrip);
          text = text.slice(count * content.length);
          toStrip = text === '' ? toStrip - count : 0;
        }
        text = held + text;
        const keep = text.length - back(text, stop) * content.length;
        held = text.slice(keep);
        return [text.slice(0, keep)];
      },
      flush() {
        toStrip = start;
        held = '';
        return [];
      },
    };
  };
}

function replaceStage(spec: Fields, fused: boolean): () => TextStage {
  const pattern = readPattern(spec);
  const content = spec.text('content');
  const written = spec.object('pattern').raw.String;
  if (fused && (typeof written !== 'string' || Array.from(written).length > 1)) {
    throw new QuintetError('tokenizer', 'a Replace of more than one character cannot stand after tokens were joined', {
      at: spec.at,
    });
  }
  return () =>
    mapStage((token) => pattern.replace(token, content, { ...fuelFor(token.length), longest: token.length + 2 ** 16 }));
}

/** `▁` becomes a space, except in the first token, where it was put by the encoder. */
function metaspaceStage(spec: Fields, fused: boolean): () => TextStage {
  const mark = spec.text('replacement', '▁');
  const prepends = prependScheme(spec) !== 'never';
  return () => firstStage((token, isFirst) => token.replaceAll(mark, (isFirst || fused) && prepends ? '' : ' '));
}

function wordPieceStage(spec: Fields): () => TextStage {
  const prefix = spec.text('prefix', '##');
  const clean = spec.flag('cleanup', true) ? cleanUpToken : (token: string) => token;
  return () =>
    firstStage((token, isFirst) => {
      if (isFirst) return clean(token);
      return clean(token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
    });
}

/** The end-of-word mark becomes a space, except in the last token, which is therefore held back. */
function suffixStage(spec: Fields): () => TextStage {
  const suffix = spec.text('suffix', '</w>');
  return () => {
    let held: string | undefined;
    return {
      push(token) {
        const ready = held === undefined ? [] : [held.replaceAll(suffix, ' ')];
        held = token;
        return ready;
      },
      flush() {
        const ready = held === undefined ? [] : [held.replaceAll(suffix, '')];
        held = undefined;
        return ready;
      },
    };
  };
}

/** Connectionist temporal classification: repeated tokens are one, padding separates. */
function ctcStage(spec: Fields): () => TextStage {
  const padding = spec.text('pad_token', '<pad>');
  const delimiter = spec.text('word_delimiter_token', '|');
  const clean = spec.flag('cleanup', true);
  return () => {
    let previous: string | undefined;
    return {
      push(token) {
        if (token === previous) return [];
        previous = token;
        const text = token.replaceAll(padding, '');
        return [clean ? cleanUpToken(text).replaceAll(delimiter, ' ') : text];
      },
      flush() {
        previous = undefined;
        return [];
      },
    };
  };
}
