/** Questions of general knowledge, which need no picture: beside one they are answered all the same. */
import type { Random } from '../../src/tensor/index.js';
import { readBeside } from './places.js';
import { asTyped, type Turn } from './wordings.js';

interface General {
  /** Answers by their questions. */
  readonly trained: Readonly<Record<string, string>>;
  /** Words of which the answer has one, by questions that training never asks. */
  readonly new: Readonly<Record<string, readonly string[]>>;
}

export const general = readBeside('general.yaml') as General;

export function generalTurn(random: Random): Turn {
  const [question, answer] = random.pick(Object.entries(general.trained));
  return { kind: 'general', question: asTyped(question, random), answer };
}
