/** What rewards the answers of a model: functions in modules of whoever trains it, or a reward model. */

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ModelOptions } from '../model/index.js';
import type { HostArrays } from '../system/index.js';
import { closeAll, QuintetError } from '../tensor/index.js';
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

/** A reward that is opened when it is first asked for, and again after it was closed. */
export function restingReward(path: string, options: ModelOptions = {}): OpenReward {
  let opened: Promise<OpenReward> | undefined;
  return {
    async reward(answers) {
      opened ??= openReward(path, options);
      return (await opened).reward(answers);
    },
    async close() {
      const own = opened;
      opened = undefined;
      await closeAll(own);
    },
  };
}

/** A reward function from a module that exports it as its default. */
export async function loadReward(path: string): Promise<Reward> {
  if (!existsSync(path)) {
    throw new QuintetError('not-found', 'there is no such reward', {
      at: path,
      hint: 'a module that exports a function, such as ./reward.ts, or the folder of a reward model; relative to the run file',
    });
  }
  const exported = await defaultOf(path).catch((cause: Error & { code?: string }) => {
    const code = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(cause.code ?? '') ? 'not-found' : 'config';
    const [message = '', parsed = ''] = cause.message.split('\n');
    const hint = 'what is read of TypeScript begins with the reward itself: call it .ts';
    const unread = cause.code === 'ERR_UNKNOWN_FILE_EXTENSION';
    // The parser has the place in a line of its own: it may be in what the module imports.
    const [, at = path + lineIn(path, cause)] = /^ *(.+:\d+):\d+$/.exec(parsed) ?? [];
    throw new QuintetError(code, message.trim(), { at, cause, ...(unread ? { hint } : {}) });
  });
  if (typeof exported === 'function') return tellingPlace(exported as Reward, path);
  throw new QuintetError('config', 'exports no function as its default', {
    at: path,
    hint: 'export default (answers) => answers.map(({ answer, record }) => …)',
  });
}

/** What a module exports as its default. */
async function defaultOf(path: string): Promise<unknown> {
  if (/\.[cm]?ts$/.test(path)) return transpiledDefault(path);
  return import(pathToFileURL(path).href).then(
    (module) => module.default,
    async (cause) => {
      // Where it is that a module cannot be parsed, Node does not say; nothing of it was run then. Of other errors it does.
      if (cause instanceof SyntaxError && cause.stack?.includes('at compileSourceTextModule')) {
        await checkParsed(realpathSync(path), new Set());
      }
      throw cause;
    },
  );
}

/** Not every Node reads TypeScript, and none all of it. What becomes of it has the same lines, and other columns. */
async function transpiledDefault(path: string): Promise<unknown> {
  const { createJiti } = await import('jiti');
  // By its real path, as Node does it: what it imports lies beside the file, not beside a link to it.
  return createJiti(import.meta.url, { fsCache: false }).import(realpathSync(path), { default: true });
}

/** Throws with its place what of a module, or of what it imports, cannot be parsed; runs nothing. */
async function checkParsed(path: string, seen: Set<string>): Promise<void> {
  if (seen.has(path) || !existsSync(path)) return;
  seen.add(path);
  const { createJiti } = await import('jiti');
  const source = readFileSync(path, 'utf8');
  const text = createJiti(import.meta.url).transform({ source, filename: path, async: true });
  const [, mistake] = /^exports\.__JITI_ERROR__ = (.*)$/m.exec(text) ?? [];
  if (mistake !== undefined) {
    const { code, message, filename, line, column } = JSON.parse(mistake) as Record<string, string | number>;
    throw new Error(`${code}: ${message}\n ${filename}:${line}:${column}`);
  }
  for (const [, imported] of text.matchAll(/\bjitiImport\("(\.[^"]+)"\)/g)) {
    await checkParsed(fileURLToPath(new URL(imported as string, pathToFileURL(path))), seen);
  }
}

/** A reward whose failure says where in its module it came from. */
function tellingPlace(reward: Reward, path: string): Reward {
  return async (answers) => {
    try {
      return await reward(answers);
    } catch (cause) {
      if (cause instanceof QuintetError && cause.code === 'aborted') throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new QuintetError('config', `the reward threw: ${message}`, {
        at: path + lineIn(path, cause),
        hint: 'when it is mended, the same command goes on from the last checkpoint; --debug shows where else it passed',
        cause,
      });
    }
  };
}

/** The line of a module at which an error passed first, as `:12`; empty where its stack does not say. */
function lineIn(path: string, error: unknown): string {
  const { stack = '' } = error instanceof Error ? error : {};
  const real = realpathSync(path);
  for (const line of stack.split('\n')) {
    const name = [pathToFileURL(real).href, real].find((own) => line.includes(own));
    const [, place] =
      name === undefined ? [] : (/^(?:\?[^:]*)?(:\d+):\d+/.exec(line.slice(line.indexOf(name) + name.length)) ?? []);
    if (place !== undefined) return place;
  }
  return '';
}
