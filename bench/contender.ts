/** The process of a contender: reads a task from each line, and answers it with a line. */

import { createInterface } from 'node:readline';
import type { Settings } from './harness/benchmark.js';
import { resident } from './harness/resident.js';
import { median, sum } from './harness/statistics.js';
import { answerMark, type Request, type Tasks } from './harness/tasks.js';

/** What a program can do; each is loaded only where it takes part. */
export interface Program {
  /**
   * Answers prompts together, greedily, each with exactly `count` tokens, whatever they are; tells when a token of each is
   * there.
   */
  answer?(prompts: readonly (readonly number[])[], count: number, onToken: () => void): Promise<void>;
  talk?(asked: Tasks['talk']['asked']): Promise<Tasks['talk']['answer']>;
  /** Trains so many steps, and as many before them as do not count. */
  train?(steps: number): Promise<Trained>;
  /** Decodes a picture file and makes it ready for a vision tower of 336 pixels. */
  process?(bytes: Uint8Array): Promise<unknown>;
}

interface Trained {
  /** Milliseconds of the steps that count, and how many of them they waited for data, where that is known. */
  readonly times: readonly number[];
  readonly waited?: readonly number[];
  /** Of all steps. */
  readonly losses: readonly number[];
  /** The most memory in MiB, where the process is another. */
  readonly peak?: number;
}

/** A module of `contenders/`: loads a program, and gives what opens the model that the settings name, if any. */
interface Loaded {
  prepare(settings: Settings): Promise<() => Promise<Program>>;
}

const programs = {
  quintet: () => import('./contenders/quintet.js'),
  'quintet-talk': () => import('./contenders/quintet-talk.js'),
  'quintet-train': () => import('./contenders/quintet-train.js'),
  'quintet-run': () => import('./contenders/quintet-run.js'),
  torch: () => import('./contenders/torch.js'),
  'llama-cpp': () => import('./contenders/llama-cpp.js'),
  'transformers-js': () => import('./contenders/transformers-js.js'),
  sharp: () => import('./contenders/sharp.js'),
  file: () => import('./contenders/file.js'),
} satisfies Record<string, () => Promise<Loaded>>;

let open: () => Promise<Program>;
let program: Program = {};
const files = new Map<string, Uint8Array>();

async function perform(request: Request): Promise<object> {
  switch (request.task) {
    case 'prepare':
      open = await (await programs[request.program]()).prepare(request.settings);
      return {};
    case 'open': {
      const started = performance.now();
      program = await open();
      return { ms: performance.now() - started };
    }
    case 'answer':
      return answer(request);
    case 'talk': {
      const talked = await program.talk?.(request);
      if (!talked) throw new Error('it does not talk');
      return talked;
    }
    case 'process': {
      const { readFileSync } = await import('node:fs');
      const bytes = files.get(request.file) ?? readFileSync(request.file);
      files.set(request.file, bytes);
      const started = performance.now();
      for (let i = 0; i < request.times; i++) {
        await Promise.all(Array.from({ length: request.together }, () => program.process?.(bytes)));
      }
      return { ms: performance.now() - started };
    }
    case 'train': {
      const trained = await program.train?.(request.steps);
      if (!trained?.losses.every(Number.isFinite)) throw new Error('nothing was trained');
      const { times, losses, waited = [], peak = (await resident()).peak } = trained;
      return { step: median(times), peak, losses, waiting: sum(waited) / sum(times) };
    }
    case 'memory':
      return resident();
  }
}

async function answer({ prompts, count }: { readonly prompts: readonly number[]; readonly count: number }) {
  const ids = prompts.map(arbitraryIds);
  const started = performance.now();
  let tokens = 0;
  let [first, last] = [0, 0];
  await program.answer?.(ids, count, () => {
    last = performance.now() - started;
    // The first token of the last row.
    if (++tokens === prompts.length) first = last;
  });
  if (tokens !== prompts.length * count) throw new Error(`${tokens} tokens instead of ${prompts.length * count}`);
  return { first, last };
}

/** The same tokens for everybody, other ones for each prompt; common words, of which every model has as many. */
function arbitraryIds(length: number, prompt: number): number[] {
  let state = 1234567 + prompt;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 1000 + ((state >>> 8) % 8192);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const result = await perform(JSON.parse(line) as Request).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
  process.stdout.write(`${answerMark}${JSON.stringify(result)}\n`);
}
process.exit(0);
