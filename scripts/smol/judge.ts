/** Whether an answer is right, and how well things are found. */

import { literally } from '../literally.js';
import { colorNames } from '../nano/colors.js';
import { plural } from './nouns.js';
import type { TurnKind, Wording } from './wordings.js';

/** What was asked, and what was said. */
export interface Answered {
  readonly set: string;
  readonly kind: TurnKind;
  readonly wording: Wording;
  /** Which picture it is about. */
  readonly shown: string;
  readonly question: string;
  readonly answer: string;
  /** Words of which one has to be said, where they were fixed beforehand. */
  readonly accepted?: readonly string[];
  readonly said: string;
}

export interface Judged extends Answered {
  /** Letter for letter; yes or no where that is asked. */
  readonly right: boolean;
  /** Of a description of one thing, of what lies somewhere and of colours: whether the right name is said, in whatever words. */
  readonly named?: boolean;
  /** Of a description of several: how many are there, how many were said, and how many of those are there. */
  readonly things?: { readonly shown: number; readonly said: number; readonly found: number };
}

export function judge(
  { kind, answer, accepted, said }: Pick<Answered, 'kind' | 'answer' | 'accepted' | 'said'>,
  concepts: readonly string[],
): Pick<Judged, 'right' | 'named' | 'things'> {
  if (accepted) return { right: namesOneOf(accepted, said) };
  if (kind === 'is-there') return { right: yes(said) === yes(answer) };
  const right = said === answer;
  const isOneThing = kind === 'what-at' || (kind === 'describe' && answer.startsWith('A drawing of'));
  if (isOneThing) {
    const names = [answer, said].map((text) => [...thingsIn(thingOf(text), ['nothing', ...concepts])].join());
    return { right, named: names[0] === names[1] && !isDenied(said) };
  }
  if (kind === 'color' || kind === 'its-color' || kind === 'is-color') {
    const [meant, told] = [answer, said].map((text) => colorNames.filter((name) => text.includes(name)).join());
    const named = isDenied(answer) ? right : meant === told && !isDenied(said);
    const agrees = kind === 'is-color' && !isDenied(answer) && so(said) === so(answer);
    return { right: right || agrees, named };
  }
  if (kind !== 'describe') return { right };
  if (answer.startsWith('The flag')) return { right };
  const [shown, told] = [thingsIn(answer, concepts), thingsIn(said, concepts)];
  const found = [...told].filter((name) => shown.has(name)).length;
  return { right, things: { shown: shown.size, said: told.size, found } };
}

/** Whether it is said that something is not there; "It is pink, so no." does not say so. */
const isDenied = (said: string): boolean => /^no\b|\b(is|are|was|were) no\b/i.test(said);

/** Whether the right answer is yes. */
export const isYes = ({ answer }: Pick<Judged, 'answer'>): boolean => yes(answer) === true;

/** What a yes or a no begins with. */
const yes = (text: string): boolean | undefined =>
  /^yes\b/i.test(text) ? true : /^no\b/i.test(text) ? false : undefined;

/** What "It is red, so yes." ends with. */
const so = (text: string): string | undefined => /, so (yes|no)\.$/.exec(text)?.[1];

const thingOf = (text: string): string => text.replace(/ on an? \w+ background\.?$/, '');

/** Whether an answer has one of the words, alone or of several, other than as the background's colour. */
const namesOneOf = (accepted: readonly string[], said: string): boolean =>
  !isDenied(said) && accepted.some((word) => new RegExp(`\\b(?:${word}|${plural(word)})\\b`, 'i').test(thingOf(said)));

/** How well a thing is known to be there: F1 of yes, its precision and recall, and how often it is said (POPE, arXiv 2305.10355). */
export function presence(asked: readonly Pick<Judged, 'answer' | 'said'>[]): string {
  if (asked.length === 0) return '';
  const there = asked.filter(({ answer }) => yes(answer)).length;
  const told = asked.filter(({ said }) => yes(said));
  const found = told.filter(({ answer }) => yes(answer)).length;
  const percent = (part: number, whole: number) => (whole === 0 ? '–' : ((100 * part) / whole).toFixed(1));
  const shares = `precision ${percent(found, told.length)}, recall ${percent(found, there)}`;
  return `${percent(2 * found, told.length + there)} (${shares}, yes ${percent(told.length, asked.length)})`;
}

/** The concepts that a text names, longer names before those within them. */
function thingsIn(text: string, concepts: readonly string[]): Set<string> {
  let rest = text.toLowerCase();
  const found = new Set<string>();
  for (const name of [...concepts].sort((a, b) => b.length - a.length)) {
    for (const form of [name, plural(name)]) {
      const pattern = new RegExp(`\\b${literally(form)}\\b`, 'g');
      if (!pattern.test(rest)) continue;
      found.add(name);
      rest = rest.replace(pattern, ' ');
    }
  }
  return found;
}
