/** The one generation loop: a prompt through the session, then token by token. */

import { type HostArray, inTurns, QuintetError, Random, seedFor } from '../tensor/index.js';
import type { Constraint } from '../text/index.js';
import { type Checks, checkAll, isCount, samplingChecks } from './check-options.js';
import type { Cache } from './language-graph.js';
import type { LanguageSession } from './language-session.js';
import { type Choice, choose, likeliest, logprobOf, type SamplingOptions } from './sample.js';
import { ScoreAdjuster } from './score-adjuster.js';
import type { Speculator } from './speculate.js';

export interface GenerateOptions extends SamplingOptions {
  /** Most new tokens of a row; default 256. A full cache ends a row too. */
  readonly maxTokens?: number;
  /** Tokens that end a row; they are given out as its last. */
  readonly stopIds?: readonly number[];
  /** Of the draws; default 0. Each row draws on its own, so that it does not matter what else is in the batch. */
  readonly seed?: number;
  /** As which row the first one draws, where others are in another batch; default 0. */
  readonly firstRow?: number;
  /** Gives the probability of each token, and of so many of the likeliest at its place; default neither. */
  readonly logprobs?: number;
  /** Guesses what comes next, several tokens at once; the tokens that come are the same. For one row. */
  readonly speculate?: Speculator;
  /** Begins the constraint that a row is held to; a row ends where nothing may follow. See `constrain`. */
  readonly constrain?: () => Constraint;
  readonly signal?: AbortSignal;
}

/** A token of a row. */
export interface GeneratedToken {
  readonly row: number;
  readonly id: number;
  /** As of a Choice; where `logprobs` asks for it. */
  readonly logprob: number | undefined;
  /** What the row ends by with it: 'stop' also where there is room for no more, and it has the form that it is held to. */
  readonly end: 'stop' | 'length' | undefined;
  readonly top: readonly Choice[];
}

/** The prompts of some rows: all their tokens, of which the cache may hold the first ones already. */
export interface Prompts {
  readonly ids: readonly (readonly number[])[];
  /** Features for the image tokens that the cache does not hold yet: [F, D]. */
  readonly features?: HostArray | undefined;
}

/** What means something, and how that is said. */
const checks = {
  ...samplingChecks,
  maxTokens: [(value) => isCount(value) || value === Number.POSITIVE_INFINITY, 'a whole number from 0 on'],
  firstRow: [isCount, 'a whole number from 0 on'],
  logprobs: [isCount, 'a whole number from 0 on'],
  stopIds: [(value) => Array.isArray(value) && value.every(isCount), 'ids of tokens'],
  speculate: [
    (value) => typeof (value as Partial<Speculator> | null)?.guess === 'function',
    'what promptLookup or draftModel gives',
  ],
  constrain: [(value) => typeof value === 'function', 'what constrain gives'],
} satisfies Checks<GenerateOptions>;

/** Refuses options that there are not, values that mean nothing, and biases of ids beyond a vocabulary. Throws 'config'. */
export function checkOptions(options: GenerateOptions, vocab = Number.POSITIVE_INFINITY): void {
  checkAll(options, checks, { at: 'generation', ids: vocab });
}

/** Yields tokens row by row, step by step, until every row has ended. The cache holds all but each row's last token. */
export async function* generateTokens(
  session: LanguageSession,
  cache: Cache,
  prompts: Prompts,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  const { maxTokens = 256, seed = 0, firstRow = 0, logprobs, constrain, signal } = options;
  checkOptions(options, session.model.network.backbone.part.vocab);
  checkSpeculator(session, prompts, options.speculate);
  const { ids, features: given } = await session.begin(cache, { ...prompts, signal });
  const rows: Row[] = ids.map((prompt, row) => ({
    all: [...prompt],
    adjuster: new ScoreAdjuster(prompt, options),
    ended: false,
    random: new Random(seedFor(seed, firstRow + row)),
    constraint: constrain?.(),
  }));
  let next = unread(cache, ids);
  let features = given;
  /** After a run with guesses: how many of the row's tokens it read that were given out behind. */
  let read: number | undefined;
  try {
    for (let count = 0; count < maxTokens; ) {
      if (session.readsAgain(cache, next)) next = allAgain(session, cache, rows);
      const known = rows.length === 1 ? (rows[0]?.all ?? []) : [];
      const guessed = await guess(session, cache, next, { ...options, count, known });
      const fed = guessed.length > 0 ? [[...(next[0] as number[]), ...guessed]] : next;
      const scores = await session.step(cache, { ids: fed, features, signal, every: guessed.length > 0 });
      if (guessed.length > 0) read = (cache.lengths[0] as number) - guessed.length;
      features = undefined;
      const size = scores.shape[1] as number;
      next = rows.map(() => []);
      count++;
      for (const [row, state] of rows.entries()) {
        for (let at = row; !state.ended; at++) {
          const own = (scores.data as Float32Array).subarray(at * size, (at + 1) * size);
          const { id, isLast, isWhole } = await take(state, own, options);
          checkFinite(own[id] as number, count);
          const before = (cache.lengths[row] as number) - guessed.length + (at - row);
          if (read !== undefined) read = before;
          const isFull = count === maxTokens || before >= cache.capacity;
          const end = isLast || (isFull && isWhole) ? 'stop' : isFull ? 'length' : undefined;
          state.ended = end !== undefined;
          if (!end) next[row] = [id];
          const logprob = logprobs === undefined ? undefined : logprobOf(own, id);
          yield { row, id, logprob, end, top: logprobs ? likeliest(own, logprobs) : [] };
          if (id !== guessed[at - row]) break;
          count++;
        }
      }
      if (read !== undefined) session.rewind(cache, read);
      read = undefined;
      if (rows.every((state) => state.ended)) return;
    }
  } finally {
    // Nobody may have listened to the end of what was guessed.
    if (read !== undefined && (cache.lengths[0] as number) > read) session.rewind(cache, read);
  }
}

/** What a cache does not hold of prompts. */
function unread({ lengths }: Cache, prompts: readonly (readonly number[])[]): number[][] {
  const rest = prompts.map((prompt, row) => prompt.slice(lengths[row]));
  if (rest.every((tokens) => tokens.length > 0)) return rest;
  throw new QuintetError('data', 'a prompt needs at least one token that the cache does not hold');
}

/** Empties a cache whose keys another length would turn otherwise, and gives what it is to hold. */
function allAgain(session: LanguageSession, cache: Cache, rows: readonly Row[]): number[][] {
  session.restart(cache);
  return rows.map(({ all }) => all);
}

interface Row {
  readonly all: number[];
  readonly adjuster: ScoreAdjuster;
  readonly random: Random;
  readonly constraint: Constraint | undefined;
  ended: boolean;
}

/** Chooses a row's next token, and says whether its text ends with it. */
async function take({ all, adjuster, random, constraint }: Row, scores: Float32Array, options: GenerateOptions) {
  if (constraint?.ready) await inTurns(constraint.ready(), options.signal);
  const id = choose(scores, constraint ? { ...options, allowed: constraint.allowed() } : options, adjuster, random);
  const isEnd = options.stopIds?.includes(id) === true;
  if (!isEnd && id >= 0) constraint?.accept(id);
  adjuster.push(id);
  all.push(id);
  // Whether the answer is whole may be as much work to say as what comes next, which is known with it.
  if (constraint?.ready && !isEnd) await inTurns(constraint.ready(), options.signal);
  return { id, isLast: isEnd || constraint?.done === true, isWhole: constraint?.whole === true };
}

interface Guess extends GenerateOptions {
  /** Tokens generated so far. */
  readonly count: number;
  /** All tokens of a row that is alone. */
  readonly known: readonly number[];
}

/** Tokens that may follow, as many as the cache and the answer have room for. Prompts are read without. */
async function guess(
  session: LanguageSession,
  { lengths, capacity }: Cache,
  next: readonly (readonly number[])[],
  { speculate, maxTokens = 256, count, known, signal }: Guess,
): Promise<readonly number[]> {
  if (!speculate || known.length === 0 || count === 0 || next[0]?.length !== 1) return [];
  const length = (lengths[0] as number) + 1;
  const room = Math.min(maxTokens - count - 1, capacity - length);
  // Otherwise they would not be turned one by one by the length that they have together.
  const isAlike = (guesses: number): boolean => session.anglesBy(length + guesses) === session.anglesBy(length);
  if (room <= 0 || !isAlike(1)) return [];
  const guessed = await speculate.guess(known, signal);
  const { network } = session.model;
  // Pictures cannot be guessed, nor words that only the draft has.
  const { vocab } = network.backbone.part;
  const unknown = guessed.findIndex((id) => id === network.image?.token || id >= vocab);
  let taken = Math.min(room, unknown < 0 ? guessed.length : unknown);
  while (!isAlike(taken)) taken--;
  return guessed.slice(0, taken);
}

function checkSpeculator({ model }: LanguageSession, { ids }: Prompts, speculate: Speculator | undefined): void {
  if (!speculate) return;
  if (ids.length > 1) {
    throw new QuintetError('config', `speculate: guesses are made for one row, and there are ${ids.length}`, {
      at: model.network.name,
      hint: 'answer one by one, or leave it out: a batch shares its runs as it is',
    });
  }
  speculate.check?.(model);
}

/** Refuses a choice among scores that are no numbers. */
export function checkFinite(score: number, count: number): void {
  if (Number.isFinite(score)) return;
  throw new QuintetError('numeric', `the scores of token ${count} are not finite`, {
    hint: 'the weights may be damaged',
  });
}
