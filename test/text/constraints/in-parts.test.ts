/** Vocabularies and masks made in parts, between which others have their turn: the same as those made at once. */
import { expect, test } from 'vitest';
import { type InParts, inTurns, Random } from '../../../src/tensor/index.js';
import {
  type Constraint,
  type ConstraintSpec,
  constrain,
  constrainInParts,
} from '../../../src/text/constraints/index.js';
import { vocabularyInParts, vocabularyOf } from '../../../src/text/constraints/vocabulary.js';
import type { Tokenizer } from '../../../src/text/index.js';
import { endOf, idsOf, randomWalk, tokenizer, tokenizers } from './tokenizers.js';

function countParts(work: InParts<unknown>): number {
  let parts = 1;
  while (!work.next().done) parts++;
  return parts;
}

/** The same tokenizer, of which nothing is remembered. */
const anew = (name: string): Tokenizer => ({ ...tokenizer(name) });

test('a vocabulary is made in parts, and serves two that ask for it at once', async () => {
  const numbers = (): Tokenizer =>
    ({ size: 5000, special: {}, isSpecial: () => false, bytesOf: (id: number) => Buffer.from(`${id}`) }) as never;
  const by = numbers();
  const [first, second] = await Promise.all([inTurns(vocabularyInParts(by)), inTurns(vocabularyInParts(by))]);
  expect(first).toBe(second);
  expect(vocabularyOf(by)).toBe(first);
  expect(countParts(vocabularyInParts(by))).toBe(1);
  expect(first.spelled(4321, true)).toBe('4321');
  expect(countParts(vocabularyInParts(numbers()))).toBeGreaterThan(10);
});

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name'],
};
const specs: readonly ConstraintSpec[] = [{ json: person }, { regex: '(yes|no|(a|b)*a(a|b){9})( .+)?' }];

test.each(Object.keys(tokenizers))('%s: answers that are begun together have the masks of one alone', async (name) => {
  for (const spec of specs) {
    const by = anew(name);
    const end = endOf(by);
    const refusal = (error: unknown): string => String(error);
    const alone = await inTurns(constrainInParts(spec, by, [end])).catch(refusal);
    if (typeof alone === 'string') {
      expect(() => constrain(spec, anew(name), [end])).toThrow(alone.replace(/^\w+: /, ''));
      continue;
    }
    const { ids } = randomWalk(alone(), [end], new Random(5), 30);
    const follow = async (constraint: Constraint, inParts: boolean): Promise<string[]> => {
      const seen: string[] = [];
      for (const id of ids) {
        if (inParts) await inTurns((constraint as Required<Constraint>).ready());
        seen.push(`${idsOf(constraint.allowed()).join()} ${constraint.done}`);
        constraint.accept(id);
        if (inParts) await inTurns((constraint as Required<Constraint>).ready());
        seen.push(String(constraint.done));
      }
      return seen;
    };
    const wanted = await follow(constrain(spec, anew(name), [end])(), false);
    const begin = constrain(spec, anew(name), [end]);
    const together = await Promise.all([1, 2, 3].map(() => follow(begin(), true)));
    for (const masks of together) expect(masks).toEqual(wanted);
  }
});

test('a mask of millions of steps is made in hundreds of parts, and ends in the limit where it would at once', () => {
  const spec = { regex: '((a{1,100}){1,100}){1,100}' };
  const by = anew('gpt2');
  const [letter] = by.encode('a') as [number];
  /** After how many letters nothing more is allowed, and the most parts of a mask. */
  const lettersOf = (constraint: Constraint, ready: () => number) => {
    for (let [letters, most] = [0, 0]; ; letters++) {
      most = Math.max(most, ready());
      try {
        constraint.allowed();
        constraint.accept(letter);
      } catch (error) {
        expect(error).toMatchObject({ code: 'limit' });
        return { letters, most };
      }
    }
  };
  const atOnce = lettersOf(constrain(spec, anew('gpt2'))(), () => 1);
  const constraint = constrain(spec, by)() as Required<Constraint>;
  const inParts = lettersOf(constraint, () => countParts(constraint.ready()));
  expect(inParts.letters).toBe(atOnce.letters);
  expect(inParts.most).toBeGreaterThan(100);
});
