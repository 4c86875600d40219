/** Options of what is generated, checked before anything is computed. */

import { QuintetError, refuseUnknown, show } from '../tensor/index.js';
import type { SamplingOptions } from './sample.js';

type Means = (value: unknown) => boolean;

/** Of each option, what means something and how that is said. */
export type Checks<Options> = Readonly<Record<keyof Options, readonly [means: Means, expected: string]>>;

export const isNumber =
  (means: (value: number) => boolean): Means =>
  (value) =>
    typeof value === 'number' && means(value);
export const isCount = isNumber((value) => Number.isSafeInteger(value) && value >= 0);
const isShare = isNumber((value) => value >= 0 && value <= 1);
const isPenalty = isNumber((value) => Math.abs(value) <= 2);

/** Of all that chooses tokens, draws by a seed and can be stopped. */
export const samplingChecks = {
  temperature: [isNumber((value) => value >= 0 && Number.isFinite(value)), 'a number from 0 on'],
  topK: [isCount, 'a whole number from 0 on'],
  topP: [isShare, 'a number between 0 and 1'],
  minP: [isShare, 'a number between 0 and 1'],
  repetitionPenalty: [isNumber((value) => value > 0 && Number.isFinite(value)), 'a number above 0'],
  presencePenalty: [isPenalty, 'a number between -2 and 2'],
  frequencyPenalty: [isPenalty, 'a number between -2 and 2'],
  noRepeatNgram: [isCount, 'a whole number from 0 on'],
  logitBias: [(value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'an object'],
  seed: [Number.isSafeInteger, 'a whole number'],
  signal: [(value) => typeof (value as Partial<AbortSignal> | null)?.aborted === 'boolean', 'an AbortSignal'],
} satisfies Checks<SamplingOptions & { seed: number; signal: AbortSignal }>;

interface Checking {
  /** What the options are of. */
  readonly at: string;
  /** Biases are of ids below. */
  readonly ids: number;
}

/** Refuses options that have no check, values that mean nothing, and biases of ids that there are not. Throws 'config'. */
export function checkAll<Options extends SamplingOptions>(
  options: Options,
  checks: Checks<Options>,
  { at, ids }: Checking,
): void {
  refuseUnknown({ at, raw: { ...(options as object) } }, Object.keys(checks), { what: 'option' });
  for (const name of Object.keys(options) as (keyof Options & string)[]) {
    const [means, expected] = checks[name];
    const value = options[name];
    if (value === undefined || means(value)) continue;
    throw new QuintetError('config', `${name}: expected ${expected}, got ${show(value)}`);
  }
  checkBias(options, ids);
}

function checkBias({ logitBias = {} }: SamplingOptions, ids: number): void {
  for (const [id, bias] of Object.entries(logitBias)) {
    if (!/^\d+$/.test(id) || Number(id) >= ids) {
      const least = ids === Number.POSITIVE_INFINITY ? 'from 0 on' : `below ${ids}`;
      throw new QuintetError('config', `logitBias: expected the ids of tokens, ${least}, got ${id}`);
    }
    if (typeof bias === 'number' && Math.abs(bias) <= 100) continue;
    throw new QuintetError('config', `logitBias: expected a number between -100 and 100 for ${id}, got ${show(bias)}`);
  }
}
