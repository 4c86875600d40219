/** What rewards the answers of a model: functions in modules of whoever trains it, or a reward model. */

import { existsSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { ModelOptions } from '../model/index.js';
import type { HostArrays } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { openRatings } from './ratings.js';

/** An answer to be rewarded. */
export interface Rewarded {
  readonly prompt: readonly Message[];
  readonly answer: string;
  /** All that the prompt's record says, such as a solution. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** How good answers are, a number each: the more, the better. Only differences among answers to one prompt count. */
export type Reward = (answers: readonly Rewarded[]) => readonly number[] | Promise<readonly number[]>;

/** A reward that is asked for as long as a run lasts. */
export interface OpenReward {
  readonly reward: Reward;
  /** Bytes that rewarding the answers of a step's micro-batches takes, besides what is there before; default none that count. */
  readonly memory?: (batches: readonly HostArrays[]) => number;
  close(): Promise<void>;
}

/** The reward at a path: of a module's function, or of a reward model in a folder. */
export async function openReward(path: string, options: ModelOptions = {}): Promise<OpenReward> {
  if (existsSync(path) && statSync(path).isDirectory()) return openRatings(path, options);
  return { reward: await loadReward(path), close: async () => {} };
}

/** A reward function from a module that exports it as its default. */
export async function loadReward(path: string): Promise<Reward> {
  if (!existsSync(path)) throw new QuintetError('not-found', 'no such module of a reward', { at: path });
  const module = (await import(pathToFileURL(path).href).catch((cause: Error & { code?: string }) => {
    if (cause.code === 'ERR_MODULE_NOT_FOUND') throw new QuintetError('not-found', cause.message, { at: path, cause });
    const hint = 'Node reads TypeScript from 22.18 on: with an older one give a .mjs file, or start it under tsx';
    throw new QuintetError('config', cause.message, {
      at: path,
      cause,
      ...(cause.code === 'ERR_UNKNOWN_FILE_EXTENSION' ? { hint } : {}),
    });
  })) as { readonly default?: unknown };
  if (typeof module.default === 'function') return module.default as Reward;
  throw new QuintetError('config', 'exports no function as its default', {
    at: path,
    hint: 'export default (answers) => answers.map(({ answer, record }) => …)',
  });
}
