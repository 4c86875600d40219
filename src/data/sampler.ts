/** Takes samples in their order. A bad one is told of and replaced; too many of them are a mistake in the data. */

import { type ErrorCode, QuintetError } from '../tensor/index.js';
import type { Dataset } from './dataset.js';
import { type Order, orderOf } from './order.js';
import type { Sample } from './sample.js';

/** Samples that are looked at before it is said that none can be used. */
const lookedAt = 16;

/** So many that all are bad once in 10^9 times, at most, where no more than a part of the file is. */
const enough = (tolerance: number): number =>
  Math.max(lookedAt, Math.ceil(Math.log(1e9) / Math.abs(Math.log(tolerance))));

/** The part of all samples that may be bad where nobody says. */
export const usualBadShare = 0.01;

export interface SamplerOptions<T> {
  readonly dataset: Dataset;
  readonly order: Order;
  /** What is made of a sample: its pictures read, its text as tokens. Its errors count as errors of the sample. */
  readonly prepare: (sample: Sample) => Promise<T>;
  /** How many samples are begun beyond those that are taken; default none. */
  readonly ahead?: number;
  /** The part of all samples that may be bad; default `usualBadShare`. */
  readonly tolerance?: number;
  /** Hears of each bad sample once, in the order in which samples are taken. */
  readonly onBad?: (error: QuintetError) => void;
}

export interface Sampler<T> {
  /**
   * The samples at `count` positions of the order, from a position on. In place of a bad one stands the next good one of the
   * file, so that what is seen at a position depends on nothing else. Throws 'data' when more are bad than are tolerated.
   */
  take(from: number, count: number): Promise<T[]>;
  /** Looks from all over the file for a sample that can be used: throws 'data' where it finds none. Of bad ones nobody hears. */
  check(): Promise<void>;
  /** How many different samples were found bad. */
  readonly bad: number;
}

/** Errors that a sample can be blamed for. */
const blamed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'data',
  'format',
  'limit',
  'media',
  'not-found',
  'template',
  'tokenizer',
]);

/** Whether an error is a sample's own, and not the program's or the machine's. */
export function isBlamed(error: unknown): error is QuintetError {
  return error instanceof QuintetError && blamed.has(error.code);
}

/** The error with the sample's place before it, where it names only a picture's. */
export function namedError(error: QuintetError, where: string): QuintetError {
  if (error.message.startsWith(`${where}:`)) return error;
  return new QuintetError(error.code, error.message, { at: where, cause: error });
}

const checkHint = '`quintet data check` with the objective looks at them all';

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export function sampler<T>(options: SamplerOptions<T>): Sampler<T> {
  const { dataset, order, prepare, ahead = 0, tolerance = usualBadShare, onBad = () => {} } = options;
  const bad = new Set<number>();
  /** What was begun, by position. */
  const begun = new Map<number, Promise<Outcome<T>>>();
  let tooMany: QuintetError | undefined;
  let anyGood = false;
  let turn: Promise<unknown> = Promise.resolve();

  /** Counts a bad sample; throws where the error is not the sample's. */
  async function blame(index: number, error: unknown): Promise<void> {
    if (!isBlamed(error)) throw error;
    if (bad.has(index)) return;
    bad.add(index);
    const named = namedError(error, dataset.where(index));
    onBad(named);
    if (bad.size <= tolerance * dataset.count && bad.size < dataset.count) return;
    tooMany = await toldOf(named, index);
  }

  /** A first bad sample may be one of many, or all may be of another form than is wanted: some more are looked at. */
  async function toldOf(last: QuintetError, index: number): Promise<QuintetError> {
    const count = Math.min(dataset.count, lookedAt);
    const others = Array.from({ length: count - 1 }, (_, i) => attempt((index + 1 + i) % dataset.count));
    const none = !anyGood && (await Promise.all(others)).every((other) => 'error' in other && isBlamed(other.error));
    if (none) return noneOf(count, last);
    const share = `${bad.size} of ${dataset.count} samples cannot be used, more than ${100 * tolerance} %`;
    return new QuintetError('data', `${share}; the last: ${last.message}`, {
      at: dataset.path,
      hint: `${checkHint}; a higher \`badShare\` lets a run go on without them`,
      cause: last,
    });
  }

  const noneOf = (count: number, one: QuintetError): QuintetError =>
    new QuintetError('data', `none of ${count} samples that were looked at can be used; one of them: ${one.message}`, {
      ...{ at: dataset.path, hint: checkHint, cause: one },
    });

  async function attempt(index: number): Promise<Outcome<T>> {
    try {
      return { value: await prepare(await dataset.read(index)) };
    } catch (error) {
      return { error };
    }
  }

  function begin(position: number): void {
    const index = order(position);
    if (index < dataset.count && !begun.has(position) && !bad.has(index)) begun.set(position, attempt(index));
  }

  async function sampleAt(position: number): Promise<T> {
    const first = begun.get(position);
    begun.delete(position);
    for (let index = order(position), tried = first; ; index = (index + 1) % dataset.count, tried = undefined) {
      if (tooMany) throw tooMany;
      if (!tried && bad.has(index)) continue;
      const outcome = await (tried ?? attempt(index));
      if ('value' in outcome) {
        anyGood = true;
        return outcome.value;
      }
      await blame(index, outcome.error);
    }
  }

  async function collect(from: number, count: number): Promise<T[]> {
    const samples: T[] = [];
    for (let i = 0; i < count; i++) samples.push(await sampleAt(from + i));
    return samples;
  }

  return {
    take(from, count) {
      for (let i = 0; i < count + ahead; i++) begin(from + i);
      // All are under way, but looked at in turn: what is told does not depend on which is done first.
      const taken = turn.then(() => collect(from, count));
      turn = taken.catch(() => {});
      return taken;
    },
    async check() {
      const count = Math.min(dataset.count, enough(tolerance));
      // Bad ones may all be in one place, or every so many.
      const anywhere = orderOf(dataset.count, 0);
      let last: QuintetError | undefined;
      for (let i = 0; i < count; i++) {
        const index = anywhere(i);
        const outcome = await attempt(index);
        if ('value' in outcome) return;
        if (!isBlamed(outcome.error)) throw outcome.error;
        last = namedError(outcome.error, dataset.where(index));
      }
      if (last) throw noneOf(count, last);
    },
    get bad() {
      return bad.size;
    },
  };
}
