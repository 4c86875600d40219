/** What is asked about a picture, and the right answers. */
import type { Random } from '../../src/tensor/index.js';
import { colorNames } from '../nano/colors.js';
import type { Art } from './art.js';
import { generalTurn } from './general.js';
import { isKindOf, wideWord } from './kinds.js';
import { an, areOrIs, capitalised, isCounted, listed, numberWord, plural, some, thereIs, thereIsNo } from './nouns.js';
import type { PhotoName } from './photo-names.js';
import { isHeldOut, type Plan, type Thing } from './pictures.js';
import { type Fill, ofThing, type QuestionKind, questionKinds, type Turn, type Wording, worded } from './wordings.js';

/** The ninths of a picture in reading order. */
export const placeNames = [
  ...['top left', 'top', 'top right', 'left', 'middle', 'right', 'bottom left', 'bottom', 'bottom right'],
] as const;

const at = (cell: number): string =>
  cell === 4 ? 'in the middle' : cell === 3 || cell === 5 ? `on the ${placeNames[cell]}` : `at the ${placeNames[cell]}`;

/** A place in a person's words, which are many. */
function asSaid(cell: number, { random, wording }: Asking): string {
  if (wording === 'new' || random.uniform() < 0.6) return at(cell);
  if (cell === 4) return random.pick(['in the center', 'at the center']);
  const named = placeNames[cell] as string;
  const name = random.uniform() < 0.5 ? named : named.replace(/^top /, 'upper ').replace(/^bottom /, 'lower ');
  if (!name.includes(' '))
    return random.pick(cell === 3 || cell === 5 ? [`on the ${name} side`, `to the ${name}`] : [`in the ${name} part`]);
  return random.pick([`in the ${name} corner`, `on the ${name}`, `in the ${name}`, `in the ${name} part`]);
}

export interface Asking {
  readonly random: Random;
  readonly wording: Wording;
  /** Share of the absent things asked for that have a word in common with one that is there, as far as there are such; default 0. */
  readonly alike?: number;
  /** Share of the things asked for that are told by a wide word, such as "animal"; default 0. */
  readonly wide?: number;
  /** Share of the things whose place or colour is asked for that are not there; default 0. */
  readonly absent?: number;
}

const sentence = (text: string): string => `${capitalised(text)}.`;

type Tell = () => Omit<Turn, 'kind'> | undefined;
type Tells = Readonly<Partial<Record<QuestionKind, Tell>>>;

/** What a picture is of, in words. */
type Named = Pick<Art, 'concepts' | 'flags'>;

/** The things that a picture shows, and in which ninth: a drawing's one thing is large enough to lie in the middle. */
function thingsOn({ kind, named, color, cells }: Plan): (Thing & { readonly ninth: number })[] {
  if (kind === 'drawing') return [{ concept: named as number, color, ninth: 4 }];
  return cells.flatMap((thing, ninth) => (thing ? [{ ...thing, ninth }] : []));
}

/** The concepts that a picture shows, each once. */
const shownOn = (plan: Plan): number[] => [...new Set(thingsOn(plan).map(({ concept }) => concept))];

/** A question of a kind, and what is to be said to it. */
const asked = (asking: Asking, kind: QuestionKind, fill: Fill, answer: string): Omit<Turn, 'kind'> => ({
  question: worded(kind, fill, asking.random, asking.wording),
  answer,
});

/** What is said to what no picture tells. */
const beyond = 'I cannot tell that from the picture.';

/** What is asked of a picture, kind by kind; undefined where that makes no sense. */
function told(art: Named, plan: Plan, asking: Asking): Tells {
  const { random, wide = 0 } = asking;
  const shown = shownOn(plan);
  const count = Math.max(1, thingsOn(plan).length);
  return {
    ...(plan.kind === 'flag' ? {} : toldOfThings(art, plan, asking)),
    describe: () => asked(asking, 'describe', {}, sentence(description(art, plan))),
    kind: () => asked(asking, 'kind', {}, 'A drawing.'),
    'is-photo': () => asked(asking, 'is-photo', {}, 'No, it is a drawing.'),
    'is-drawing': () => asked(asking, 'is-drawing', {}, 'Yes, it is a drawing.'),
    count: () => asked(asking, 'count', {}, sentence(numberWord(count))),
    'is-there': () => {
      const word = random.uniform() < wide ? wideWordOf(art, plan, random) : undefined;
      if (word) return isThere(word.name, word.yes, asking);
      const yes = random.uniform() < 0.5 && shown.length > 0;
      const thing = art.concepts[yes ? random.pick(shown) : absentFrom(art, shown, asking)] as string;
      return isThere(thing, yes, asking);
    },
    background: () => asked(asking, 'background', {}, `The background is ${plan.ground}.`),
    beyond: () => asked(asking, 'beyond', {}, beyond),
  };
}

/** A wide word to ask for; undefined where that is unclear, as of flags, on which anything may be drawn. */
const wideWordOf = (art: Named, plan: Plan, random: Random): ReturnType<typeof wideWord> =>
  plan.kind === 'flag'
    ? undefined
    : wideWord(
        shownOn(plan).map((thing) => art.concepts[thing] as string),
        art.concepts,
        random,
      );

function isThere(
  thing: string,
  yes: boolean,
  asking: Asking,
  picture: 'drawing' | 'photo' = 'drawing',
): Omit<Turn, 'kind'> {
  return asked(
    asking,
    'is-there',
    { ...ofThing(thing), K: picture },
    yes ? `Yes, ${thereIs(thing)}.` : `No, ${thereIsNo(thing)}.`,
  );
}

function description(art: Named, plan: Plan): string {
  const before = `on ${an(plan.ground)} background`;
  const name = (concept: number): string => some(art.concepts[concept] as string);
  if (plan.kind === 'flag') return `the flag of ${art.flags[plan.named as number]}`;
  if (plan.kind === 'drawing') return `a drawing of ${name(plan.named as number)} ${before}`;
  return `the picture shows ${listed(thingsOn(plan).map((one) => `${name(one.concept)} ${at(one.ninth)}`))} ${before}`;
}

/** Colours between which people differ: of what is red nobody is asked whether it is pink. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  red: ['orange', 'pink', 'brown', 'purple'],
  orange: ['red', 'yellow', 'brown', 'pink'],
  yellow: ['orange', 'brown', 'green'],
  green: ['yellow', 'blue'],
  blue: ['purple', 'green', 'grey'],
  purple: ['pink', 'blue', 'red'],
  pink: ['red', 'purple', 'orange'],
  brown: ['red', 'orange', 'yellow', 'black', 'grey'],
  black: ['grey', 'brown'],
  white: ['grey'],
  grey: ['white', 'black', 'blue', 'brown'],
};

/** What is asked of the things that a picture shows. */
function toldOfThings(art: Named, plan: Plan, asking: Asking): Tells {
  const { random, absent = 0 } = asking;
  const name = (concept: number): string => art.concepts[concept] as string;
  const present = shownOn(plan);
  const things = thingsOn(plan);
  const countOf = (thing: number): number => things.filter(({ concept }) => concept === thing).length;
  /** What is asked of something that is not there, for the share that is. */
  const ofMissing = (kind: QuestionKind, fill: Fill = {}): ReturnType<Tell> => {
    if (random.uniform() >= absent) return undefined;
    const other = name(absentFrom(art, present, asking));
    return asked(asking, kind, { ...ofThing(other), ...fill }, sentence(thereIsNo(other)));
  };
  const single = things.filter(({ concept }) => countOf(concept) === 1);
  /** A thing with one clear colour, which its name does not tell. */
  const clear = single.filter(
    ({ concept, color }) => color && !colorNames.some((word) => name(concept).includes(word)),
  );
  return {
    things: () =>
      asked(asking, 'things', {}, sentence(`it shows ${listed(grouped(things.map((one) => name(one.concept))))}`)),
    'count-of': () => {
      const thing = random.uniform() < 0.8 ? random.pick(present) : absentFrom(art, present, asking);
      if (!isCounted(name(thing))) return undefined;
      return asked(asking, 'count-of', ofThing(name(thing)), sentence(numberWord(countOf(thing))));
    },
    where: () => {
      const missing = ofMissing('where');
      if (missing) return missing;
      if (single.length === 0) return undefined;
      const { concept, ninth } = random.pick(single);
      return asked(asking, 'where', ofThing(name(concept)), sentence(at(ninth)));
    },
    'what-at': () => {
      const anywhere = plan.kind === 'scene' && random.uniform() < 0.3;
      const ninth = anywhere ? random.integer(9) : random.pick(things).ninth;
      const thing = things.find((one) => one.ninth === ninth);
      const answer = thing ? thereIs(name(thing.concept)) : 'there is nothing';
      return asked(asking, 'what-at', { P: asSaid(ninth, asking) }, sentence(answer));
    },
    color: () => {
      const missing = ofMissing('color');
      if (missing) return missing;
      if (clear.length === 0) return undefined;
      const { concept, color } = random.pick(clear);
      const thing = name(concept);
      return asked(asking, 'color', ofThing(thing), `The ${thing} ${areOrIs(thing)} ${color}.`);
    },
    'is-color': () => {
      const missing = ofMissing('is-color', { C: random.pick(colorNames) });
      if (missing) return missing;
      if (clear.length === 0) return undefined;
      const { concept, color = '' } = random.pick(clear);
      const thing = name(concept);
      const yes = random.uniform() < 0.5;
      const other = colorNames.filter((name) => name !== color && !neighbours[color]?.includes(name));
      // The colour comes first: a yes before it would be a guess.
      const answer = `${areOrIs(thing) === 'are' ? 'They are' : 'It is'} ${color}, so ${yes ? 'yes' : 'no'}.`;
      return asked(asking, 'is-color', { ...ofThing(thing), C: yes ? color : random.pick(other) }, answer);
    },
    'its-color': () =>
      plan.kind === 'drawing' && plan.color ? asked(asking, 'its-color', {}, `It is ${plan.color}.`) : undefined,
  };
}

/** Whether a concept is not shown, and may be asked for: a name that is never learnt would give the answer away. */
const isAbsent = ({ concepts }: Named, shown: readonly number[], other: number): boolean =>
  isHeldOut(other) === isHeldOut(shown[0] ?? 0) &&
  !shown.some((thing) => isKindOf(concepts[thing] as string, concepts[other] as string));

/** The concepts that are not shown, and whose names share a word with one that is. */
function absentAlike(art: Named, shown: readonly number[]): number[] {
  const near = (other: string): boolean => shown.some((thing) => sharesWord(other, art.concepts[thing] as string));
  return art.concepts.flatMap((other, i) => (near(other) && isAbsent(art, shown, i) ? [i] : []));
}

/** A concept that is not shown. */
function absentFrom(art: Named, shown: readonly number[], { random, alike = 0 }: Asking): number {
  const near = random.uniform() < alike ? absentAlike(art, shown) : [];
  if (near.length > 0) return random.pick(near);
  for (;;) {
    const other = random.integer(art.concepts.length);
    if (isAbsent(art, shown, other)) return other;
  }
}

/** Asks for a wide word; undefined where that is unclear. */
export function askForWide(art: Named, plan: Plan, asking: Asking): Turn | undefined {
  const word = wideWordOf(art, plan, asking.random);
  return word && { kind: 'is-there', ...isThere(word.name, word.yes, asking) };
}

/** Asks for a thing that is not there, and shares a word with one that is; undefined where there is no such name. */
export function askForAlike(art: Named, plan: Plan, asking: Asking): Turn | undefined {
  const near = absentAlike(art, shownOn(plan));
  if (near.length === 0) return undefined;
  return { kind: 'is-there', ...isThere(art.concepts[asking.random.pick(near)] as string, false, asking) };
}

const sharesWord = (a: string, b: string): boolean => a.split(' ').some((word) => b.split(' ').includes(word));

/** Names in their order, equal ones together: "two bells". */
function grouped(names: readonly string[]): string[] {
  return [...new Set(names)].map((name) => {
    const count = names.filter((other) => other === name).length;
    return count === 1 || !isCounted(name) ? some(name) : `${numberWord(count)} ${plural(name)}`;
  });
}

/** One question of a kind; undefined where it makes no sense of this picture. */
export function ask(kind: QuestionKind, art: Named, plan: Plan, asking: Asking): Turn | undefined {
  const turn = told(art, plan, asking)[kind]?.();
  return turn && { kind, ...turn };
}

/**
 * What training asks about one picture. Answers that tell everything mostly come last: after them, the others could be read
 * off what was said, and need no picture.
 */
export function conversation(art: Named, plan: Plan, random: Random): Turn[] {
  const asking: Asking = { random, wording: 'trained', alike: 0.3, absent: 0.15, wide: 0.3 };
  const weights: Partial<Record<QuestionKind, number>> =
    plan.kind === 'scene'
      ? {
          ...{ things: 1.5, count: 0.8, 'count-of': 2.2, 'is-there': 2.8, where: 4, 'what-at': 4, color: 2 },
          ...{
            'is-color': 3,
            background: 0.5,
            kind: 0.2,
            'is-photo': 0.3,
            'is-drawing': 0.3,
            describe: 1,
            beyond: 0.5,
          },
        }
      : {
          ...{ things: 0.2, count: 0.4, 'count-of': 0.2, 'is-there': 1.5, where: 0.2, 'what-at': 0.3 },
          ...{ background: 1, kind: 0.4, 'is-photo': 0.2, 'is-drawing': 0.2, describe: 1, beyond: 0.2 },
          ...{ color: 1.5, 'is-color': 3, 'its-color': 0.5 },
        };
  const turns: Turn[] = [];
  if (random.uniform() < 0.5) turns.push(ask('describe', art, plan, asking) as Turn);
  const bag = questionKinds.flatMap((kind) =>
    new Array<QuestionKind>(Math.round(10 * (weights[kind] ?? 0))).fill(kind),
  );
  const wanted = plan.kind === 'scene' ? 8 : 4;
  for (let attempt = 0; turns.length < wanted && attempt < 20; attempt++) {
    const turn = ask(random.pick(bag), art, plan, asking);
    if (turn && !turns.some(({ question }) => question === turn.question)) turns.push(turn);
  }
  if (random.uniform() < 0.25) turns.push(generalTurn(random));
  const mixed = random.shuffle(turns);
  if (random.uniform() < 0.25) return mixed;
  const telling = ({ kind }: Turn): boolean => kind === 'describe' || kind === 'things';
  return [...mixed.filter((turn) => !telling(turn)), ...mixed.filter(telling)];
}

type Asked = readonly [kind: QuestionKind, fill: Fill, answer: string];

/** What is asked about a photograph that the classifier gives this name. */
export function photoConversation(names: readonly PhotoName[], best: number, random: Random): Turn[] {
  const asking: Asking = { random, wording: 'trained' };
  const { name, general } = names[best] as PhotoName;
  // Of an Egyptian cat it need not be said that it is a cat.
  const shown = general && !isKindOf(name, general) ? `${some(general)}, probably ${some(name)}` : some(name);
  const turns: Turn[] = [{ kind: 'describe', ...asked(asking, 'describe', {}, `A photo of ${shown}.`) }];
  const absent = (): string => {
    for (;;) {
      const { name: wrong, general: kind } = random.pick(names);
      const other = kind && random.uniform() < 0.7 ? kind : wrong;
      if (other !== general && !isKindOf(name, other) && !(general && isKindOf(general, other))) return other;
    }
  };
  const plain = (): { readonly name: string; readonly yes: boolean } => {
    const yes = random.uniform() < 0.5;
    return { name: yes ? (general && random.uniform() < 0.5 ? general : name) : absent(), yes };
  };
  const everyday = names.flatMap((one) => one.general ?? []);
  for (let i = 0; i < 2; i++) {
    const wide = general && random.uniform() < 0.25 ? wideWord([general], everyday, random) : undefined;
    const thing = wide ?? plain();
    const turn = isThere(thing.name, thing.yes, asking, 'photo');
    if (!turns.some(({ question }) => question === turn.question)) turns.push({ kind: 'is-there', ...turn });
  }
  const known = general ?? name;
  const other = absent();
  // Places, colours and numbers of things are not seen in photographs.
  const others: readonly Asked[] = [
    ['beyond', {}, beyond],
    ['where', ofThing(known), beyond],
    ['where', ofThing(other), sentence(thereIsNo(other))],
    ['color', ofThing(known), beyond],
    ['its-color', {}, beyond],
    ['is-color', { ...ofThing(known), C: random.pick(colorNames) }, beyond],
    ['is-color', { ...ofThing(other), C: random.pick(colorNames) }, sentence(thereIsNo(other))],
    ['color', ofThing(other), sentence(thereIsNo(other))],
    ['count', {}, beyond],
    ['what-at', { P: asSaid(random.integer(9), asking) }, beyond],
    ['background', {}, beyond],
    ...(isCounted(known) ? ([['count-of', ofThing(known), beyond]] as const) : []),
  ];
  const kinds: readonly Asked[] = [
    ['kind', {}, 'A photo.'],
    ['is-photo', {}, 'Yes, it is a photo.'],
    ['is-drawing', {}, 'No, it is a photo.'],
  ];
  for (const list of [others, kinds]) {
    if (random.uniform() >= 0.7) continue;
    const [kind, fill, answer] = random.pick(list);
    turns.push({ kind, ...asked(asking, kind, fill, answer) });
  }
  if (random.uniform() < 0.25) turns.push(generalTurn(random));
  return random.shuffle(turns);
}
