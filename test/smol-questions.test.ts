/** What Smol is asked and how its answers are judged, on pictures that are told by hand. */

import { expect, test } from 'vitest';
import { judge } from '../scripts/smol/judge.js';
import { thereIs, thereIsNo } from '../scripts/smol/nouns.js';
import { isHeldOut, type Plan } from '../scripts/smol/pictures.js';
import { ask, askForAlike, type QuestionKind, type Wording } from '../scripts/smol/questions.js';
import { reached, tables } from '../scripts/smol/tables.js';
import { Random } from '../src/tensor/index.js';

const names = ['hot dog', 'dog', 'owl', 'glasses', 'hot pepper', 'fire', 'police car', 'car'];

/** Concepts by their index, none of them held out. */
const places = Array.from({ length: 99 }, (_, i) => i)
  .filter((i) => !isHeldOut(i))
  .slice(0, names.length);
const concepts = Array.from(
  { length: (places.at(-1) as number) + 1 },
  (_, i) => names[places.indexOf(i)] ?? `held ${i}`,
);
const art = { concepts, flags: ['Kenya'] };
const index = (name: string): number => concepts.indexOf(name);

function scene(...cells: readonly (string | undefined)[]): Plan {
  const shown = Array.from({ length: 9 }, (_, i) => (cells[i] === undefined ? undefined : index(cells[i])));
  const base = { kind: 'scene', named: undefined, cells: shown, color: undefined, placements: [] };
  return { ...base, ground: 'red', background: {}, faults: {} } as unknown as Plan;
}

const asking = (seed: number): { random: Random; wording: Wording } => ({
  random: new Random(seed),
  wording: 'trained',
});
const answers = (kind: QuestionKind, plan: Plan): Set<string | undefined> =>
  new Set(Array.from({ length: 60 }, (_, i) => ask(kind, art, plan, asking(i))?.answer));

test('a scene is told by its things, their places and their numbers', () => {
  const plan = scene('owl', undefined, 'glasses', undefined, 'owl');
  expect(answers('describe', plan)).toEqual(
    new Set([
      'The picture shows an owl at the top left, glasses at the top right and an owl in the middle on a red background.',
    ]),
  );
  expect(answers('things', plan)).toEqual(new Set(['It shows two owls and glasses.']));
  expect(answers('count', plan)).toEqual(new Set(['Three.']));
  expect(answers('where', plan)).toEqual(new Set(['At the top right.'])); // of two owls it is not asked where the owl is
  expect(answers('what-at', plan)).toEqual(new Set(['There is an owl.', 'There are glasses.', 'There is nothing.']));
  expect(answers('count-of', plan)).toEqual(new Set(['One.', 'Two.', 'None.']));
});

test('what is asked for and absent is no kind of what is there, and a hot dog is no dog', () => {
  const asked = (plan: Plan): Set<string> => {
    const turns = Array.from({ length: 300 }, (_, i) => ask('is-there', art, plan, asking(i)));
    return new Set(turns.flatMap((turn) => (turn?.answer.startsWith('No') ? [turn.answer] : [])));
  };
  const beside = asked(scene('police car'));
  expect(beside).not.toContain('No, there is no car.');
  expect(beside).not.toContain('No, there is no police car.');
  expect(beside).toContain('No, there are no glasses.');
  expect(asked(scene('hot dog'))).toContain('No, there is no dog.');
  expect([...beside].some((answer) => answer.includes('held'))).toBe(false);
});

test('alike are things that are not there and share a word with one that is', () => {
  const alike = new Set(Array.from({ length: 40 }, (_, i) => askForAlike(art, scene('hot dog'), asking(i))?.answer));
  expect(alike).toEqual(new Set(['No, there is no dog.', 'No, there is no hot pepper.']));
  expect(askForAlike(art, scene('owl'), asking(1))).toBeUndefined();
});

test('there is one thing, and there are glasses', () => {
  expect(['owl', 'glasses', 'fire', 'tennis'].map(thereIs)).toEqual([
    ...['there is an owl', 'there are glasses', 'there is fire', 'there is tennis'],
  ]);
  expect(['owl', 'glasses', 'fire'].map(thereIsNo)).toEqual([
    ...['there is no owl', 'there are no glasses', 'there is no fire'],
  ]);
});

test.each([
  ['There is fire.', 'There is a fire.', { right: false, named: true }],
  ['There is fire.', 'There is fire.', { right: true, named: true }],
  ['There is fire.', 'There is no fire.', { right: false, named: false }],
  ['There is nothing.', 'There is a lentivirus.', { right: false, named: false }],
  ['There is a hot dog.', 'There is a dog.', { right: false, named: false }],
] as const)('what lies somewhere is named: %s %s', (answer, said, judged) => {
  expect(judge({ kind: 'what-at', answer }, said, concepts)).toEqual(judged);
});

test('tables count things one by one, and in the wording that was asked in', () => {
  const answer = 'The picture shows an owl at the top, fire on the left and glasses on the right on a red background.';
  const said = 'The picture shows an owl at the top and a dog on the left on a red background.';
  const told = (wording: Wording, words: string) => {
    const asked = { set: 'scenes', kind: 'describe', wording, question: 'Describe the picture.', answer } as const;
    return { ...asked, said: words, ...judge(asked, words, concepts) };
  };
  const judged = [told('trained', said), told('new', answer)];
  expect(tables(judged)).toMatch(/\| describe \| 0\.0 .*n 1\) \| 100\.0 .*n 1\) \|/);
  expect(tables(judged)).toMatch(/things found \| 33\.3 .*n 3\) \| 100\.0 .*n 3\)/);
  expect(tables(judged)).toMatch(/said that are there \| 50\.0 .*n 2\) \| 100\.0 .*n 3\)/);
  expect(reached(judged)).toMatch(/things of a scene that are found \| 92 \| 33\.3 .*n 3\) \|/);
});
