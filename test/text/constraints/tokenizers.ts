/** Tokenizers of every kind, and answers under constraints token by token. */
import { readFileSync } from 'node:fs';
import type { Random } from '../../../src/tensor/index.js';
import type { Constraint } from '../../../src/text/constraints/index.js';
import { createTokenizer, type Tokenizer } from '../../../src/text/index.js';
import { fixtureJson } from '../../fixture.js';

const { styles } = JSON.parse(
  readFileSync(new URL('../../fixtures/text/tokenizers.json', import.meta.url), 'utf8'),
) as { styles: Readonly<Record<string, { readonly tokenizer: unknown }>> };

const models = ['llama', 'llava', 'opt', 'smolvlm', 'janus', 'siglip', 'blip2-opt'];
const nano = new URL('../../../models/nano/tokenizer.json', import.meta.url);

/** By name: the styles of the tokenizers library, those of the models, and the embedded model's. */
export const tokenizers: Readonly<Record<string, Tokenizer>> = {
  ...Object.fromEntries(Object.entries(styles).map(([name, { tokenizer }]) => [name, createTokenizer(tokenizer)])),
  ...Object.fromEntries(
    models.map((name) => [`${name} model`, createTokenizer(fixtureJson(name, 'model/tokenizer.json'))]),
  ),
  nano: createTokenizer(JSON.parse(readFileSync(nano, 'utf8'))),
};

export const tokenizer = (name: string): Tokenizer => tokenizers[name] as Tokenizer;

/** A special token, to end answers with. */
export const endOf = (of: Tokenizer): number =>
  Array.from({ length: of.size }, (_, id) => id).find(of.isSpecial) as number;

/** The ids whose bits are set. */
export function idsOf(mask: Uint32Array): number[] {
  const ids: number[] = [];
  for (const [word, bits] of mask.entries())
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) ids.push(32 * word + bit);
  return ids;
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)] as T;

/** The tokens of a random answer, and whether it came to an end. */
export function randomWalk(constraint: Constraint, ends: readonly number[], random: Random, most: number) {
  const ids: number[] = [];
  while (ids.length < most && !constraint.done) {
    const allowed = idsOf(constraint.allowed());
    const end = allowed.find((id) => ends.includes(id));
    if (end !== undefined && (allowed.length === 1 || random.uniform() < 0.3)) return { ids, ended: true };
    const id = pick(
      random,
      allowed.filter((each) => each !== end),
    );
    constraint.accept(id);
    ids.push(id);
  }
  return { ids, ended: constraint.done };
}

const spelledBy = new WeakMap<Tokenizer, Map<string, number[]>[]>();

/** The tokens of a tokenizer by their bytes, of the first place and of later ones. */
function spellings(of: Tokenizer): Map<string, number[]>[] {
  let found = spelledBy.get(of);
  if (found === undefined) {
    found = [true, false].map((first) => {
      const byBytes = new Map<string, number[]>();
      for (let id = 0; id < of.size; id++) {
        if (of.isSpecial(id)) continue;
        const key = of.bytesOf(id, { first }).join();
        byBytes.set(key, [...(byBytes.get(key) ?? []), id]);
      }
      return byBytes;
    });
    spelledBy.set(of, found);
  }
  return found;
}

/** One of the ways to spell a text in tokens; undefined where a random try got stuck. */
export function randomTokens(of: Tokenizer, text: string, random: Random): number[] | undefined {
  const bytes = [...new TextEncoder().encode(text)];
  const [first, later] = spellings(of);
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const table = at === 0 ? first : later;
    const options: (readonly [id: number, length: number])[] = [];
    for (let length = 1; length <= 24 && at + length <= bytes.length; length++)
      for (const id of table?.get(bytes.slice(at, at + length).join()) ?? []) options.push([id, length]);
    if (options.length === 0) return undefined;
    const [id, length] = pick(random, options);
    ids.push(id);
    at += length;
  }
  return ids;
}

/** Whether all tokens may come one after another, and the answer may end after them. */
export function takes(constraint: Constraint, ids: readonly number[], end: number): boolean {
  for (const id of ids) {
    const mask = constraint.allowed();
    if ((((mask[id >> 5] as number) >>> (id & 31)) & 1) === 0) return false;
    constraint.accept(id);
  }
  return constraint.done || idsOf(constraint.allowed()).includes(end);
}
