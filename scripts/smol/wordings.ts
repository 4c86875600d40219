/** In which words something is asked. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Random } from '../../src/tensor/index.js';
import { areOrIs, capitalised, plural, some } from './nouns.js';

/** Wordings that training uses, and others that it never sees. */
export type Wording = 'trained' | 'new';

/** What is asked about pictures. */
export const questionKinds = [
  'describe',
  'kind',
  'is-photo',
  'is-drawing',
  'things',
  'count',
  'count-of',
  'is-there',
  'where',
  'what-at',
  'background',
  'color',
  'its-color',
  'beyond',
] as const;

export type QuestionKind = (typeof questionKinds)[number];

/** And what needs none: general knowledge. */
export const turnKinds = [...questionKinds, 'general'] as const;

export type TurnKind = (typeof turnKinds)[number];

const file = join(dirname(fileURLToPath(import.meta.url)), 'wordings.yaml');
const wordings = parse(readFileSync(file, 'utf8')) as Readonly<
  Record<QuestionKind, Readonly<Record<Wording, readonly string[]>>>
>;

/** What stands for letters in a wording. */
export type Fill = Readonly<Partial<Record<'X' | 'Y' | 'Z' | 'S' | 'V' | 'D' | 'H' | 'P', string>>>;

/** A thing that is asked for. */
export function ofThing(thing: string): Fill {
  const names = { X: some(thing), Y: plural(thing), Z: thing, S: thing.endsWith('s') ? `${thing}'` : `${thing}'s` };
  return areOrIs(thing) === 'are'
    ? { ...names, V: 'are', D: 'do', H: 'have' }
    : { ...names, V: 'is', D: 'does', H: 'has' };
}

/** A question. Of American and British spelling, and of capitals and stops left out, some of each in training. */
export function worded(kind: QuestionKind, fill: Fill, random: Random, wording: Wording): string {
  const pattern = random.pick(wordings[kind][wording] as readonly string[]);
  const text = pattern.replace(/\b[XYZSVDHP]\b/g, (letter) => fill[letter as keyof Fill] ?? letter);
  const whole = capitalised(text);
  if (wording === 'new') return whole;
  const spelled = random.uniform() < 0.3 ? whole.replaceAll('color', 'colour') : whole;
  const bare = random.uniform() < 0.1 ? spelled.replace(/[.?]$/, '') : spelled;
  return random.uniform() < 0.1 ? bare.charAt(0).toLowerCase() + bare.slice(1) : bare;
}
