/** Questions of general knowledge, which need no picture: beside one they are answered all the same. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Random } from '../../src/tensor/index.js';
import type { Turn } from './questions.js';

interface General {
  /** Answers by their questions. */
  readonly trained: Readonly<Record<string, string>>;
  /** Words of which the answer has one, by questions that training never asks. */
  readonly new: Readonly<Record<string, readonly string[]>>;
}

const file = join(dirname(fileURLToPath(import.meta.url)), 'general.yaml');
export const general = parse(readFileSync(file, 'utf8')) as General;

export function generalTurn(random: Random): Turn {
  const [question, answer] = random.pick(Object.entries(general.trained));
  return { kind: 'general', question, answer };
}
