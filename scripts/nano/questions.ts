/** Questions about a scene and the answers that are right. Evaluation asks in the same wordings as training. */
import type { Random } from '../../src/tensor/index.js';

import { colorNames } from './colors.js';
import { article, type ObjectKind } from './objects.js';
import { type Cell, cells, type Scene, type Thing } from './scene.js';

export const questionKinds = [
  'what',
  'describe',
  'list',
  'how-many',
  'how-many-of',
  'background',
  'color',
  'where',
  'what-is-at',
  'is-there',
] as const;

export type QuestionKind = (typeof questionKinds)[number];

export interface Turn {
  readonly kind: QuestionKind;
  readonly question: string;
  readonly answer: string;
  /** The kind of thing that the question or the answer names, where it is one. */
  readonly object?: number;
}

const wordings: Record<QuestionKind, readonly string[]> = {
  what: ['What is this?', 'What is in this picture?', 'What do you see?'],
  describe: ['Describe the picture.', 'Describe this picture.', 'What does the picture show?'],
  list: ['List everything.', 'List all things.', 'What is where?'],
  'how-many': ['How many things are there?', 'How many things do you see?', 'Count the things.'],
  'how-many-of': ['How many # are there?', 'How many # do you see?', 'Count the #.'],
  background: [
    'What color is the background?',
    'What colour is the background?',
    'What is the color of the background?',
    'Which color is behind?',
  ],
  color: ['What color is the #?', 'What colour is the #?', 'What is the color of the #?', 'Which color has the #?'],
  where: ['Where is the #?', 'Where do you see the #?', 'Where in the picture is the #?'],
  'what-is-at': ['What is #?', 'What do you see #?', 'Which thing is #?'],
  'is-there': ['Is there $ #?', 'Do you see $ #?', 'Does the picture show $ #?'],
};

const placeNames = [
  ['at the top left', 'at the top', 'at the top right'],
  ['on the left', 'in the middle', 'on the right'],
  ['at the bottom left', 'at the bottom', 'at the bottom right'],
] as const;

const numberWords = ['None', 'One', 'Two', 'Three', 'Four', 'Five'];

/** Every sentence that can be asked or answered but in training alone, for the vocabulary; enumerations are there by their parts. */
export function everySentence(objects: readonly ObjectKind[]): string[] {
  const names = objects.flatMap(({ name, plural }) => [name, plural]);
  const places = placeNames.flat();
  const questions = Object.values(wordings).flat();
  const filled = questions.flatMap((wording) => [...names, ...places].map((about) => wording.replace('#', about)));
  const asked = ['a', 'an'].flatMap((before) => filled.map((question) => question.replace('$', before)));
  const things = objects.map(withArticle);
  const answers = [...things, ...places, ...numberWords, ...colorNames, 'nothing', 'nowhere'].map(sentence);
  const described = places.flatMap((place) =>
    things.map((thing) => `${place} ${thing}, ${place} ${thing} and ${thing},`),
  );
  const behind = colorNames.flatMap((color) =>
    places.map((place) => `${place} on ${article(color)} ${color} background.`),
  );
  const listed = objects.map(({ name }) => `Top ${name}, left ${name}, right ${name}, middle ${name}, bottom ${name}.`);
  const concluded = [...numberWords, 'yes', 'no'].map((word) => sentence(`nowhere, ${word.toLowerCase()}`));
  const openings = places.map((place) => sentence(place.split(' ').slice(2).join(' ')));
  return [...asked, ...asked.map(casually), ...answers, ...concluded, ...listed, ...openings, ...described, ...behind];
}

/** As people type in a hurry: no capital, no mark at the end. */
function casually(question: string): string {
  return question[0]!.toLowerCase() + question.slice(1, -1);
}

/** One word for a kind of thing: the one in which its name differs from all others. */
export function headWord(objects: readonly ObjectKind[], { name }: ObjectKind): string {
  const [first = name, ...rest] = name.split(' ');
  const last = rest.at(-1) ?? first;
  return objects.filter((other) => other.name.split(' ').at(-1) === last).length > 1 ? first : last;
}

/** Names what is in each of the nine cells in reading order, a word a cell. */
export function nameCells(scene: Scene, objects: readonly ObjectKind[]): Turn {
  const nameOf = ({ object }: Thing) => headWord(objects, objects[object]!);
  return { kind: 'describe', question: 'Name each thing.', answer: cellWords(scene, nameOf, 'background') };
}

/** The same by colours; what has no clear one is named. */
export function colorCells(scene: Scene, objects: readonly ObjectKind[]): Turn {
  const colorOf = ({ color, object }: Thing) => color ?? headWord(objects, objects[object]!);
  return { kind: 'describe', question: 'Name each color.', answer: cellWords(scene, colorOf, scene.backgroundColor) };
}

/**
 * Says of each cell whether it has a thing of one kind, mostly one that is there. Nine answers a question teach to compare what is
 * seen with what is asked for; where one place is the whole answer, that is learnt late or never. The kind is called by the word
 * that its feature is taught.
 */
export function findCells(scene: Scene, objects: readonly ObjectKind[], random: Random): Turn {
  const object = random.uniform() < 0.15 ? pickAbsent(scene, objects, random) : random.pick(scene.things).object;
  const word = headWord(objects, objects[object]!);
  const answer = cellWords(scene, (thing) => (thing.object === object ? 'yes' : 'no'), 'no');
  return { kind: 'where', question: `Is each thing ${article(word)} ${word}?`, answer };
}

function cellWords(scene: Scene, wordOf: (thing: Thing) => string, background: string): string {
  const words = cells.map((cell) => {
    const thing = thingAt(cell, scene.things);
    return thing ? wordOf(thing) : background;
  });
  // Every word is behind a space, as in the middle of a sentence.
  return ` ${words.join(' ')}`;
}

/** Asks about one scene; null where the kind of question does not fit it. */
export function ask(kind: QuestionKind, asking: Asking): Turn | null {
  const { random } = asking;
  const filled = answerers[kind](asking);
  if (filled === null) return null;
  const { answer, about = '', article: before = '', object } = filled;
  const wording = random.pick(wordings[kind]).replace('$', before).replace('#', about);
  const question = random.uniform() < 0.1 ? casually(wording) : wording;
  return { kind, question, answer, ...(object === undefined ? {} : { object }) };
}

/** How often each kind of question is asked in training: mostly for descriptions and lists, whose every word must be right. */
const shares: Record<QuestionKind, number> = {
  what: 1,
  describe: 5,
  list: 6,
  'how-many': 3,
  'how-many-of': 5,
  background: 1,
  color: 3,
  where: 3,
  'what-is-at': 2,
  'is-there': 4,
};
const pool = questionKinds.flatMap((kind) => new Array<QuestionKind>(shares[kind]).fill(kind));

/** Up to two questions of different kinds about a scene, for training: each is asked alone. */
export function pickQuestions(scene: Scene, objects: readonly ObjectKind[], random: Random): Turn[] {
  const turns: Turn[] = [];
  const asked = new Set<QuestionKind>();
  for (let attempt = 0; attempt < 8 && turns.length < 2; attempt++) {
    const kind = random.pick(pool);
    const turn = asked.has(kind) ? null : ask(kind, { scene, objects, random, absent: 0.25, several: 0.4 });
    if (turn === null) continue;
    asked.add(kind);
    turns.push(turn);
  }
  return turns;
}

export interface Asking {
  readonly scene: Scene;
  readonly objects: readonly ObjectKind[];
  readonly random: Random;
  /**
   * The chance that a question for a kind of thing is about one that is not there; each kind of question has its own
   * default, of the evaluation. Where the commonest answer is mostly right, nano learns to give it and nothing else.
   */
  readonly absent?: number;
  /** The chance that "how many" is asked of what is there more than once, if anything is; default as often as of other things. */
  readonly several?: number;
}

/** The answer, and what stands for `#` and `$` in the wording. */
interface Filled {
  readonly answer: string;
  readonly about?: string;
  readonly article?: string;
  readonly object?: number;
}

const answerers: Record<QuestionKind, (asking: Asking) => Filled | null> = {
  what({ scene, objects }) {
    const [first, ...others] = scene.things;
    return others.length > 0 ? null : { answer: sentence(withArticle(objects[first!.object]!)), object: first!.object };
  },
  describe({ scene, objects }) {
    const single = scene.things.length === 1;
    // The place comes before the name: what is there is then a question about one place.
    const parts = scene.things.map((thing) => {
      const name = withArticle(objects[thing.object]!);
      return single ? name : `${placeName(thing.cell)} ${name}`;
    });
    const behind = `on ${article(scene.backgroundColor)} ${scene.backgroundColor} background`;
    return { answer: sentence(`${enumerate(parts)}${single ? '' : ','} ${behind}`) };
  },
  list({ scene, objects }) {
    const [first, ...others] = scene.things;
    if (others.length === 0) return { answer: sentence(withArticle(objects[first!.object]!)) };
    // Few words but names, and each right after its place: what is learnt fastest.
    const parts = scene.things.map(({ cell, object }) => `${shortPlace(cell)} ${objects[object]!.name}`);
    return { answer: sentence(parts.join(', ')) };
  },
  'how-many': ({ scene }) => ({ answer: sentence(numberWords[scene.things.length]!) }),
  'how-many-of'({ scene, objects, random, absent, several }) {
    const repeated = scene.things.filter(({ object }) => countOf(scene, object) > 1);
    // Were it asked of those alone, nano would name the places of what is there more than once, whatever it is asked for.
    const onlyThose = several !== undefined && repeated.length > 0 && random.uniform() < several;
    const things = onlyThose ? repeated : scene.things;
    const object =
      random.uniform() < (absent ?? 0.15) ? pickAbsent(scene, objects, random) : random.pick(things).object;
    // Where they are comes first: what is left is to count what was said.
    const places = thingsOf(scene, object).map(({ cell }) => placeName(cell));
    const found = places.length > 0 ? places.join(', ') : 'nowhere';
    return {
      answer: sentence(`${found}, ${numberWords[places.length]!.toLowerCase()}`),
      about: objects[object]!.plural,
      object,
    };
  },
  background: ({ scene }) => ({ answer: sentence(scene.backgroundColor) }),
  color({ scene, objects, random }) {
    const colored = scene.things.filter(({ color, object }) => color !== undefined && countOf(scene, object) === 1);
    if (colored.length === 0) return null;
    const thing = random.pick(colored);
    return { answer: sentence(thing.color!), about: objects[thing.object]!.name, object: thing.object };
  },
  where({ scene, objects, random, absent }) {
    if (random.uniform() < (absent ?? 0.3)) {
      const object = pickAbsent(scene, objects, random);
      return { answer: 'Nowhere.', about: objects[object]!.name, object };
    }
    const unique = single(scene);
    if (unique.length === 0) return null;
    const thing = random.pick(unique);
    return { answer: sentence(placeName(thing.cell)), about: objects[thing.object]!.name, object: thing.object };
  },
  'what-is-at'({ scene, objects, random }) {
    const free = freeCells(scene.things);
    if (free.length > 0 && random.uniform() < 0.15) return { answer: 'Nothing.', about: placeName(random.pick(free)) };
    const { object, cell } = random.pick(scene.things);
    return { answer: sentence(withArticle(objects[object]!)), about: placeName(cell), object };
  },
  'is-there'({ scene, objects, random, absent }) {
    // Where it is comes first: whether it is there is then the same question.
    const unique = single(scene);
    const thing = unique.length > 0 && random.uniform() >= (absent ?? 0.5) ? random.pick(unique) : undefined;
    const object = thing?.object ?? pickAbsent(scene, objects, random);
    const { name } = objects[object]!;
    const answer = thing ? `${placeName(thing.cell)}, yes` : 'nowhere, no';
    return { answer: sentence(answer), about: name, article: article(name), object };
  },
};

/** Things of which there is one. */
const single = (scene: Scene): Thing[] => scene.things.filter(({ object }) => countOf(scene, object) === 1);

/** Things of one kind. */
const thingsOf = (scene: Scene, object: number): Thing[] => scene.things.filter((thing) => thing.object === object);

const countOf = (scene: Scene, object: number): number => thingsOf(scene, object).length;

/** A thing that is not in the scene, half of the time one of the same group as something that is. */
function pickAbsent(scene: Scene, objects: readonly ObjectKind[], random: Random): number {
  const { category } = objects[random.pick(scene.things).object]!;
  const others = [...objects.keys()].filter((object) => countOf(scene, object) === 0);
  return random.pick(random.uniform() < 0.5 ? others.filter((o) => objects[o]!.category === category) : others);
}

/** Cells with nothing in them. */
function freeCells(things: readonly Thing[]): Cell[] {
  return cells.filter((cell) => !thingAt(cell, things));
}

const thingAt = ({ row, column }: Cell, things: readonly Thing[]): Thing | undefined =>
  things.find(({ cell }) => cell.row === row && cell.column === column);

function placeName({ row, column }: Cell): string {
  return placeNames[row]![column]!;
}

/** "top left" for "at the top left". */
function shortPlace(cell: Cell): string {
  return placeName(cell).split(' ').slice(2).join(' ');
}

function withArticle({ name }: ObjectKind): string {
  return `${article(name)} ${name}`;
}

/** "a", "a and b", "a, b and c". */
function enumerate(parts: readonly string[]): string {
  if (parts.length === 1) return parts[0]!;
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
