/** In which words something is asked. */
import type { Random } from '../../src/tensor/index.js';
import { areOrIs, capitalised, plural, some } from './nouns.js';

/** Wordings that training uses, and others that it never sees. */
export type Wording = 'trained' | 'new';

/**
 * `X` stands for a thing with its article, `Y` for several, `Z` for a thing alone, `S` for whose something is, `V`, `D` and `H`
 * for "is", "does" and "has" of it or of them, `P` for a place.
 */
const wordings = {
  describe: {
    trained: [
      ...['Describe the picture.', 'What is in this picture?', 'What do you see?', 'What does the picture show?'],
      ...['Describe this image.', 'What is this?', 'What is shown here?', 'Tell me what is in the image.'],
      ...['Please describe what you see.', 'What can you see in this image?', "What's in the picture?"],
    ],
    new: ['What am I looking at?', 'Tell me about this picture.', 'Can you describe the image?'],
  },
  kind: {
    trained: [
      ...['Is this a photo or a drawing?', 'What kind of picture is this?', 'Is it a drawing or a photo?'],
      ...['What type of picture is this?', 'Is it drawn or is it a photo?', 'Tell me the type of the image.'],
      ...['Did someone draw this or take a photo?', 'Do you see a photograph or a drawing?'],
      ...['Was this drawn or photographed?', 'Which kind of image is it?', 'What sort of picture is it?'],
    ],
    new: [
      'What kind of image do you see?',
      'Is the image drawn or photographed?',
      'Is that a photo or something drawn?',
    ],
  },
  'is-photo': {
    trained: [
      ...['Is this a photograph?', 'Is this a photo?', 'Is it a photograph?', 'Is this picture a photo?'],
      ...['Is this image a photograph?', 'Has this been photographed?'],
    ],
    new: ['Is the image a photo?', 'Was this photographed?'],
  },
  'is-drawing': {
    trained: [
      ...['Is this a drawing?', 'Is it drawn?', 'Is this picture a drawing?', 'Did someone draw this?'],
      ...['Is this image a drawing?', 'Has this been drawn?'],
    ],
    new: ['Is the image a drawing?', 'Was this drawn?'],
  },
  things: {
    trained: [
      ...['What things are there?', 'List the things in the picture.', 'Which objects are shown?'],
      ...['Name everything in the picture.', 'What objects can you see?', 'Give me a list of the things.'],
      ...['Which things does the picture show?', 'What is there to see?', 'Tell me which objects there are.'],
      ...['List everything that you see.', 'What objects are in the image?', 'Which things are in this picture?'],
    ],
    new: ['What are the things in this image?', 'Which objects can be seen?', 'Name all the objects.'],
  },
  count: {
    trained: [
      ...['How many things are there?', 'How many objects are in the picture?', 'Count the things in the picture.'],
      ...['How many things can you see?', 'Tell me how many objects there are.', 'How many things are shown here?'],
      ...['How many objects does the image show?', 'What is the number of objects?', 'How many items do you see?'],
      'Count the objects.',
    ],
    new: ['How many objects can be seen?', 'What is the number of things?', 'How many items are in this image?'],
  },
  'count-of': {
    trained: [
      ...['How many Y are there?', 'How many Y do you see?', 'Count the Y.', 'Tell me how many Y there are.'],
      ...['How many Y can you count?', 'How many Y are shown here?', 'How many Y can be seen?'],
      ...['How many Y are in the image?', 'What is the number of Y?', 'How many Y does the picture show?'],
    ],
    new: ['How many Y are in this picture?', 'How many Y does the image have?', 'Tell me the number of Y.'],
  },
  'is-there': {
    trained: [
      ...['V there X?', 'V there X in the picture?', 'Do you see X?', 'Does the picture show X?', 'Can you see X?'],
      ...['V X in the picture?', 'V there X anywhere?', 'Does this image contain X?', 'V X shown here?'],
      'V X in this image?',
    ],
    new: ['Can X be seen?', 'V there X in this image?', 'Does the photo or drawing show X?'],
  },
  where: {
    trained: [
      ...['Where V the Z?', 'Where in the picture V the Z?', 'In which part of the picture V the Z?'],
      ...['Where D the Z lie?', 'Tell me where the Z V.', 'Where V the Z located?'],
      ...['What is the position of the Z?', 'Where V the Z shown?', 'Where can I find the Z?'],
      ...['At what place V the Z?', 'Where do you see the Z?'],
    ],
    new: ['Where in the image V the Z?', 'Where can the Z be seen?', 'Which part of the picture shows the Z?'],
  },
  'what-at': {
    trained: [
      ...['What is P?', 'Which thing is P?', 'What do you see P?', 'What lies P?', 'Tell me what is P.'],
      ...['What object is P?', 'What is there P?', 'What is located P?', 'Which object can you see P?'],
      ...['What does the picture show P?', 'What can be seen P?', 'What can be found P?', 'What is shown P?'],
      'Name the thing P.',
    ],
    new: ['What thing is P?', 'Which object lies P?', 'What can you find P?'],
  },
  background: {
    trained: [
      ...['What color is the background?', 'Which color does the background have?', 'What is the background color?'],
      ...["What's the color of the background?", 'Name the background color.', 'The background has which color?'],
    ],
    new: ['Tell me the background color.', 'What color does the background have?', 'In which color is the background?'],
  },
  color: {
    trained: [
      ...['What color V the Z?', 'Which color D the Z have?', 'What is the color of the Z?'],
      ...['Tell me the color of the Z.', "What's the S color?", 'Name the color of the Z.', 'The Z H which color?'],
    ],
    new: ['What color D the Z have?', 'Tell me what color the Z V.', 'In which color V the Z?'],
  },
  'its-color': {
    trained: ['What color is it?', 'Which color does it have?', 'What is its color?', 'Tell me its color.'],
    new: ['What color does it have?', 'Which color is it?'],
  },
  beyond: {
    trained: [
      ...['Who made this?', 'Who took this picture?', 'Who is the artist?', 'How old is it?', 'When was this made?'],
      ...['What time is it?', 'What is the weather like?', 'What does it cost?', 'How heavy is it?', 'Who owns it?'],
      ...['What is the name of the person?', 'What does the text say?', 'What is written there?', 'Why is it there?'],
      ...['What happens next?', 'What happened before?', 'Where was this taken?', 'In which city is this?'],
      ...['What does it smell like?', 'What are the people doing?', 'How was this made?', 'What is it made of?'],
      ...['Who painted this picture?', 'What year is it from?', 'How much does it weigh?'],
      ...['What is the person called?', 'What is going to happen?', 'In what country was this taken?'],
    ],
    new: [
      ...['How much did it cost?', 'Who gave it to you?', 'On which day was this made?', 'What does it taste like?'],
      ...['Why did someone make this?', 'What is around the corner?'],
    ],
  },
} as const satisfies Record<string, Record<Wording, readonly string[]>>;

export type QuestionKind = keyof typeof wordings;

export const questionKinds = Object.keys(wordings) as QuestionKind[];

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
