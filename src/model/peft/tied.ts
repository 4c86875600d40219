/**
 * Adapters of models whose head is tied to the table of embeddings. PEFT lets either of them learn apart from the other, and
 * ties them where it is asked to; here they are one.
 */
import { type Fields, type HostArray, QuintetError, sameShape, toNumbers } from '../../tensor/index.js';
import { type Base, isNamed } from './names.js';

type Values = ReadonlyMap<string, HostArray>;

const headKey = /^(?:.*\.)?lm_head\.(?:base_layer\.)?(.*)$/;

/** Whether it matters to an adapter with these keys that a head is tied, which is long to find out. */
export const concernsTied = (keys: readonly string[], config: Fields): boolean =>
  keys.some((key) => headKey.test(key)) ||
  config.texts('modules_to_save', []).length > 0 ||
  config.flag('ensure_weight_tying', false);

/** What a key of the head is of the table that it is tied to; undefined of other keys. */
export function ofTable(key: string, table: string): string | undefined {
  const [, rest] = headKey.exec(key) ?? [];
  return rest === undefined ? undefined : `${table}.${rest}`;
}

/** What was read of an adapter. */
interface Learnt {
  /** The path of the tied table. */
  readonly table: string;
  /** By our names. */
  readonly values: Values;
  /** What keys of the head hold, by the names of the table. */
  readonly head: Values;
}

/** Refuses a head or a table that learnt apart from the other. */
export function checkTied({ table, values, head }: Learnt, base: Base, config: Fields): void {
  const name = `${table}.weight`;
  const isOther = [...head].some(([own, value]) => !isSame(values.get(own), value));
  const isAlone =
    values.has(name) &&
    !head.has(name) &&
    config.texts('modules_to_save', []).some((module) => isNamed(table, module, base));
  const isLow = config.flag('ensure_weight_tying', false) && values.has(`${table}.lora_embedding_A`);
  if (!isOther && !isAlone && !isLow) return;
  const why = isLow ? 'low-rank changes of both are not supported' : 'in this adapter they learnt apart';
  throw new QuintetError('unsupported', `the head is tied to ${table}: ${why}`, {
    at: config.at,
    hint: `let them learn whole and together: modules_to_save with ${table} and lm_head, and ensure_weight_tying`,
  });
}

const isSame = (one: HostArray | undefined, other: HostArray): boolean => {
  if (!one || !sameShape(one.shape, other.shape)) return false;
  const numbers = toNumbers(one);
  return toNumbers(other).every((number, i) => number === numbers[i]);
};
