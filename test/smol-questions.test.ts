/** What Smol is asked and how its answers are judged, on pictures that are told by hand. */

import { expect, test } from 'vitest';
import { general as generalQuestions } from '../scripts/smol/general.js';
import { judge } from '../scripts/smol/judge.js';
import { thereIs, thereIsNo } from '../scripts/smol/nouns.js';
import { isHeldOut, type Plan } from '../scripts/smol/pictures.js';
import { ask, askForAlike, askForWide, conversation, photoConversation } from '../scripts/smol/questions.js';
import { reached, samples, tables } from '../scripts/smol/tables.js';
import {
  ofThing,
  type QuestionKind,
  questionKinds,
  type Turn,
  type Wording,
  worded,
} from '../scripts/smol/wordings.js';
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

/** Of things in their ninths; those of a clear colour with it: "owl/blue". */
function scene(...cells: readonly (string | undefined)[]): Plan {
  const shown = Array.from({ length: 9 }, (_, i) => {
    const [name, color] = cells[i]?.split('/') ?? [];
    return name === undefined ? undefined : { concept: index(name), color };
  });
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
  // Of fire one does not ask how many there are.
  expect(answers('count-of', plan)).toEqual(new Set(['One.', 'Two.', 'None.', undefined]));
  expect(answers('things', scene('fire', 'fire'))).toEqual(new Set(['It shows fire.']));
});

test('the colour of a thing in a scene is told where it is clear and of one thing', () => {
  expect(answers('color', scene('owl/blue', 'owl/blue', 'glasses/red', undefined, 'fork'))).toEqual(
    new Set(['The glasses are red.']),
  );
  expect(answers('color', scene('owl/blue'))).toEqual(new Set(['The owl is blue.']));
  expect(answers('color', scene('owl'))).toEqual(new Set([undefined]));
});

test('one thing alone in a scene is told by its place, a large one lies in the middle', () => {
  const alone = scene(undefined, undefined, undefined, undefined, undefined, undefined, undefined, undefined, 'owl');
  expect(answers('describe', alone)).toEqual(
    new Set(['The picture shows an owl at the bottom right on a red background.']),
  );
  expect(answers('things', alone)).toEqual(new Set(['It shows an owl.']));
  expect(answers('count', alone)).toEqual(new Set(['One.']));
  expect(answers('kind', alone)).toEqual(new Set(['A drawing.']));
  const large: Plan = { ...scene(), kind: 'drawing', named: index('owl'), color: 'brown' };
  expect(answers('where', large)).toEqual(new Set(['In the middle.']));
  expect(answers('what-at', large)).toEqual(new Set(['There is an owl.']));
  expect(answers('color', large)).toEqual(new Set(['The owl is brown.']));
  expect(answers('its-color', large)).toEqual(new Set(['It is brown.']));
  expect(answers('its-color', { ...large, color: undefined })).toEqual(new Set([undefined]));
  expect(answers('its-color', alone)).toEqual(new Set([undefined]));
  expect(answers('is-photo', large)).toEqual(new Set(['No, it is a drawing.']));
  expect(answers('color', { ...large, color: undefined })).toEqual(new Set([undefined]));
  const flag: Plan = { ...scene(), kind: 'flag', named: 0 };
  expect(answers('describe', flag)).toEqual(new Set(['The flag of Kenya.']));
  expect(answers('is-drawing', flag)).toEqual(new Set(['Yes, it is a drawing.']));
  expect(answers('where', flag)).toEqual(new Set([undefined]));
});

test('what is not there has no place and no colour, and what no picture tells is not told', () => {
  const absent = (kind: QuestionKind) =>
    new Set(Array.from({ length: 60 }, (_, i) => ask(kind, art, scene('owl'), { ...asking(i), absent: 1 })?.answer));
  for (const kind of ['where', 'color', 'is-color'] as const) {
    expect(absent(kind)).toContain('There is no fire.');
    expect(absent(kind)).toContain('There are no glasses.');
    expect([...absent(kind)].every((answer) => answer?.startsWith('There ') && !answer.includes('owl'))).toBe(true);
  }
  expect(answers('beyond', scene('owl'))).toEqual(new Set(['I cannot tell that from the picture.']));
});

test('a photograph is called by the everyday word and the name, unless the name says it', () => {
  const photos = [{ name: 'beagle', general: 'dog' }, { name: 'Egyptian cat', general: 'cat' }, { name: 'broom' }];
  const told = (best: number) =>
    Array.from({ length: 200 }, (_, i) => photoConversation(photos, best, new Random(i))).flat();
  const said = (best: number, kind: QuestionKind) =>
    new Set(told(best).flatMap((turn) => (turn.kind === kind ? [turn.answer] : [])));
  expect(said(0, 'describe')).toEqual(new Set(['A photo of a dog, probably a beagle.']));
  expect(said(1, 'describe')).toEqual(new Set(['A photo of an Egyptian cat.']));
  expect(said(2, 'describe')).toEqual(new Set(['A photo of a broom.']));
  expect(said(1, 'is-there')).toContain('Yes, there is a cat.');
  expect(said(1, 'is-there')).not.toContain('No, there is no cat.');
  expect(said(1, 'where')).toEqual(
    new Set([
      ...['I cannot tell that from the picture.', 'There is no dog.', 'There is no beagle.', 'There is no broom.'],
    ]),
  );
});

test('one asks for several as for several', () => {
  const asked = (kind: QuestionKind, thing: string): Set<string> =>
    new Set(Array.from({ length: 60 }, (_, i) => worded(kind, ofThing(thing), new Random(i), 'new')));
  expect(asked('color', 'owl')).toContain('Do you know what colour the owl is?');
  expect(asked('color', 'glasses')).toContain('Do you know what colour the glasses are?');
  expect(asked('is-there', 'glasses')).toContain('Do glasses appear in the image?');
});

test('whether something has a colour is told by its colour first', () => {
  const drawn = (thing: string, color: Plan['color']): Plan => ({
    ...scene(),
    kind: 'drawing',
    named: index(thing),
    color,
  });
  const owl = answers('is-color', drawn('owl', 'brown'));
  expect(owl).toEqual(new Set(['It is brown, so yes.', 'It is brown, so no.']));
  expect(answers('is-color', drawn('glasses', 'black'))).toContain('They are black, so yes.');
  const asked = Array.from({ length: 300 }, (_, i) => ask('is-color', art, drawn('owl', 'red'), asking(i)) as Turn);
  // Red and pink are neighbours, between which people differ.
  expect(asked.filter(({ question }) => /pink|orange|brown|purple/.test(question))).toEqual([]);
  for (const { question, answer } of asked) expect(question.includes('red')).toBe(answer.endsWith('yes.'));
});

test('no wording of a kind is both trained and new', () => {
  for (const kind of questionKinds) {
    const asked = (wording: Wording) =>
      new Set(
        Array.from({ length: 300 }, (_, i) => {
          const plan: Plan = { ...scene(), kind: 'drawing', named: index('owl'), color: 'brown' };
          return ask(kind, art, plan, { random: new Random(i), wording })?.question.toLowerCase();
        }),
      );
    const trained = asked('trained');
    expect([...asked('new')].filter((question) => question && trained.has(question))).toEqual([]);
  }
});

test('general questions are asked beside pictures, and none that evaluation asks', () => {
  const turns = Array.from({ length: 200 }, (_, i) => conversation(art, scene('owl'), new Random(i)));
  const general = turns.flat().filter(({ kind }) => kind === 'general');
  expect(general.length).toBeGreaterThan(20);
  const learnt = new Set(Object.keys(generalQuestions.trained).map((question) => question.toLowerCase()));
  expect(Object.keys(generalQuestions.new).filter((question) => learnt.has(question.toLowerCase()))).toEqual([]);
  // Nor is an answer among those that are learnt.
  const taught = Object.values(generalQuestions.trained).join(' ');
  const words = Object.values(generalQuestions.new).flat();
  expect(words.filter((word) => new RegExp(`\\b${word}\\b`, 'i').test(taught))).toEqual([]);
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
  expect(judge({ kind: 'what-at', answer, said }, concepts)).toEqual(judged);
});

test('tables count things one by one, and in the wording that was asked in', () => {
  const answer = 'The picture shows an owl at the top, fire on the left and glasses on the right on a red background.';
  const said = 'The picture shows an owl at the top and a dog on the left on a red background.';
  const told = (wording: Wording, words: string) => {
    const asked = {
      set: 'scenes',
      shown: 'scenes 1',
      kind: 'describe',
      wording,
      question: 'Describe the picture.',
      answer,
    } as const;
    const answered = { ...asked, said: words };
    return { ...answered, ...judge(answered, concepts) };
  };
  const judged = [told('trained', said), told('new', answer)];
  expect(tables(judged)).toMatch(/\| describe \| 0\.0 .*n 1\) \| 100\.0 .*n 1\) \|/);
  expect(tables(judged)).toMatch(/things found \| 33\.3 .*n 3\) \| 100\.0 .*n 3\)/);
  expect(tables(judged)).toMatch(/said that are there \| 50\.0 .*n 2\) \| 100\.0 .*n 3\)/);
  expect(reached(judged)).toMatch(/things of a scene that are found \| 92 \| 33\.3 .*n 3\) \|/);
  expect(samples(judged).split('\n').slice(2)).toEqual([`| scenes 1 | Describe the picture. | ${said} | ${answer} |`]);
});

test('an owl is an animal and no vehicle, and of flags no wide word is asked', () => {
  const asked = (plan: Plan) =>
    Array.from({ length: 300 }, (_, i) => askForWide(art, plan, asking(i))?.answer).filter((answer) => answer);
  const owl = ['Yes, there is an animal.', 'No, there is no mammal.', 'No, there is no vehicle.'];
  expect(new Set(asked(scene('owl')))).toEqual(new Set(owl));
  const hotDog = ['No, there is no animal.', 'No, there is no mammal.', 'No, there is no vehicle.'];
  expect(new Set(asked(scene('hot dog')))).toEqual(new Set(hotDog));
  expect(asked({ ...scene(), kind: 'flag', named: 0 })).toEqual([]);
});
