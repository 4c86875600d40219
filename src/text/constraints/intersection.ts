/** Texts that are in several languages at once: the languages' machines run side by side over classes of characters. */

import { type CodePoints, codePoints, has, union } from './code-points.js';
import { choice, type Language, nothing, rule, sequence, set } from './language.js';
import { createMachine } from './machine.js';
import { compile, tooLarge } from './program.js';

const mostStates = 5000;
/** Edges of character classes times classes. */
const mostCuts = 1e6;

/**
 * The intersection as rules, of which the first is the whole; each has one character or none and then another rule. `first`
 * is the number that the first rule will have.
 */
export function intersect(languages: readonly Language[], first: number): readonly Language[] {
  const machines = languages.map((language) => createMachine(compile({ rules: [language] })));
  const classes = classesOf(languages).map((members) => ({ members, bytes: bytesOf(members) }));
  const numbers = new Map<string, number>();
  const states: (readonly number[])[] = [];
  const numberOf = (state: readonly number[]): number => {
    const key = state.join();
    let number = numbers.get(key);
    if (number === undefined) {
      if (states.length >= mostStates) throw tooLarge('on a string that takes too many states');
      number = states.push(state) - 1;
      numbers.set(key, number);
    }
    return number;
  };
  numberOf(machines.map((machine) => machine.start));
  const rules: Language[] = [];
  for (let i = 0; i < states.length; i++) {
    const state = states[i] as readonly number[];
    const byTarget = new Map<number, CodePoints[]>();
    for (const { members, bytes } of classes) {
      const next = machines.map((machine, m) => {
        machine.fuel = 1e6;
        return bytes.reduce((at, byte) => (at < 0 ? at : machine.step(at, byte)), state[m] as number);
      });
      if (next.some((at) => at < 0)) continue;
      const target = numberOf(next);
      byTarget.set(target, [...(byTarget.get(target) ?? []), members]);
    }
    const ends = machines.every((machine, m) => machine.accepts(state[m] as number));
    const steps = [...byTarget].map(([target, sets]) => sequence(set(union(...sets)), rule(first + target)));
    rules.push(choice(...(ends ? [nothing] : []), ...steps));
  }
  return rules;
}

function bytesOf({ ranges }: CodePoints): readonly number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(ranges[0] as number))];
}

/** Characters that no set of the languages tells apart, as sets. */
function classesOf(languages: readonly Language[]): readonly CodePoints[] {
  const sets = new Set<CodePoints>();
  const visit = (language: Language): void => {
    if (language.kind === 'set') sets.add(language.set);
    else if (language.kind === 'sequence') language.items.forEach(visit);
    else if (language.kind === 'choice') language.options.forEach(visit);
    else if (language.kind === 'repeat') visit(language.body);
    else if (language.kind === 'words')
      for (const char of new Set(language.words.join(''))) {
        const code = char.codePointAt(0) as number;
        sets.add(codePoints([code, code]));
      }
  };
  languages.forEach(visit);
  const cuts = new Set<number>();
  for (const { ranges } of sets) for (const [i, edge] of ranges.entries()) cuts.add(i % 2 === 0 ? edge : edge + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  if (sorted.length * sets.size > mostCuts) throw tooLarge('with patterns of too many classes');
  const byMembership = new Map<string, (readonly [number, number])[]>();
  for (const [i, from] of sorted.slice(0, -1).entries()) {
    const key = [...sets].map((each) => (has(each, from) ? '1' : '0')).join('');
    const pair = [from, (sorted[i + 1] as number) - 1] as const;
    const group = byMembership.get(key);
    if (group) group.push(pair);
    else byMembership.set(key, [pair]);
  }
  return [...byMembership]
    .filter(([key]) => key.includes('1'))
    .map(([, pairs]) => codePoints(...pairs))
    .filter(({ ranges }) => ranges.length > 0);
}
