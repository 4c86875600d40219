/** In which words something is asked. */
import type { Random } from '../../src/tensor/index.js';
import { literally } from '../literally.js';
import { areOrIs, capitalised, plural, some } from './nouns.js';
import { readBeside } from './places.js';

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
  'is-color',
  'its-color',
  'beyond',
] as const;

export type QuestionKind = (typeof questionKinds)[number];

/** And what needs none: general knowledge. */
export const turnKinds = [...questionKinds, 'general'] as const;

export type TurnKind = (typeof turnKinds)[number];

export interface Turn {
  readonly kind: TurnKind;
  readonly question: string;
  readonly answer: string;
}

const wordings = readBeside('wordings.yaml') as Readonly<
  Record<QuestionKind, Readonly<Record<Wording | 'roundabout', readonly string[]>>>
>;

/** What stands for letters in a wording. */
export type Fill = Readonly<Partial<Record<'X' | 'Y' | 'Z' | 'S' | 'V' | 'D' | 'H' | 'P' | 'C' | 'K', string>>>;

/** A thing that is asked for. */
export function ofThing(thing: string): Fill {
  const names = { X: some(thing), Y: plural(thing), Z: thing, S: thing.endsWith('s') ? `${thing}'` : `${thing}'s` };
  return areOrIs(thing) === 'are'
    ? { ...names, V: 'are', D: 'do', H: 'have' }
    : { ...names, V: 'is', D: 'does', H: 'has' };
}

/** A question. */
export function worded(kind: QuestionKind, fill: Fill, random: Random, wording: Wording): string {
  const { trained, new: plain, roundabout } = wordings[kind];
  const pattern = random.pick(wording === 'new' ? [...plain, ...roundabout] : trained);
  const text = capitalised(pattern.replace(letters, (letter) => fill[letter as keyof Fill] ?? letter));
  return wording === 'new' ? text : asTyped(text, random);
}

const letters = /\b[XYZSVDHPCK]\b/g;

/** Whether a question is put in a roundabout wording. */
export function isRoundabout(kind: QuestionKind, question: string): boolean {
  return wordings[kind].roundabout.some((pattern) => {
    const form = pattern.split(letters).map(literally).join('.+');
    return new RegExp(`^${form}$`, 'i').test(question);
  });
}

/** Of American and British spelling, and of capitals and stops left out, some of each. */
export function asTyped(question: string, random: Random): string {
  const spelled =
    random.uniform() < 0.3 ? question.replaceAll('color', 'colour').replaceAll('center', 'centre') : question;
  const bare = random.uniform() < 0.1 ? spelled.replace(/[.?]$/, '') : spelled;
  return random.uniform() < 0.1 && !/^(I\b|[A-Z]{2})/.test(bare) ? bare.charAt(0).toLowerCase() + bare.slice(1) : bare;
}
