/** The post-processors of tokenizer.json: which special tokens stand around a text. */

import { type Fields, fields, QuintetError } from '../tensor/index.js';

export interface Surround {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const nothing: Surround = { before: [], after: [] };

const kinds: Readonly<Record<string, (spec: Fields) => Surround>> = {
  ByteLevel: () => nothing,
  TemplateProcessing: template,
  BertProcessing: classAndSeparator,
  RobertaProcessing: classAndSeparator,
  // Each puts its tokens around what the one before made.
  Sequence: (spec) =>
    spec
      .objects('processors')
      .map(readSurround)
      .reduce(
        (inner, { before, after }) => ({ before: [...before, ...inner.before], after: [...inner.after, ...after] }),
        nothing,
      ),
};

export function surroundOf(spec: unknown, at: string): Surround {
  return spec === undefined || spec === null ? nothing : readSurround(fields(spec, `${at}: post_processor`));
}

function readSurround(spec: Fields): Surround {
  const kind = spec.text('type');
  const make = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (make === undefined) throw new QuintetError('tokenizer', `an unknown post-processor "${kind}"`, { at: spec.at });
  return make(spec);
}

/** `single` is a list of special tokens around one Sequence; `special_tokens` gives the ids of each. */
function template(spec: Fields): Surround {
  const known = spec.object('special_tokens', { optional: true });
  const [before, after]: [number[], number[]] = [[], []];
  let isAfter = false;
  for (const item of spec.objects('single')) {
    if (item.has('Sequence')) {
      if (isAfter) throw new QuintetError('tokenizer', 'a template repeats its sequence', { at: spec.at });
      isAfter = true;
    } else (isAfter ? after : before).push(...known.object(item.object('SpecialToken').text('id')).numbers('ids'));
  }
  return { before, after };
}

function classAndSeparator(spec: Fields): Surround {
  return { before: [pairedId(spec, 'cls')], after: [pairedId(spec, 'sep')] };
}

/** ["</s>", 2] */
function pairedId(spec: Fields, name: string): number {
  const pair = spec.raw[name];
  const id: unknown = Array.isArray(pair) ? pair[1] : undefined;
  if (typeof id === 'number' && Number.isSafeInteger(id)) return id;
  throw new QuintetError('tokenizer', `${name}: expected a token and its id`, { at: spec.at });
}
