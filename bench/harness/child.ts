/** Processes of contenders: started from one bundle, asked one thing at a time. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { Contender } from './benchmark.js';
import { cacheFolder, projectFolder } from './paths.js';
import { answerMark, type TaskName, type Tasks } from './tasks.js';

export interface Child {
  /** Rejects where the task fails or the process ends. */
  ask<N extends TaskName>(task: N, asked: Tasks[N]['asked']): Promise<Tasks[N]['answer']>;
  stop(): Promise<void>;
}

/** Whether processes may have real-time priority, so that others cannot take their cores. */
export const isRealtimeAllowed = (): boolean => spawnSync('chrt', ['-r', '1', 'true']).status === 0;

/** The processes' code, until it is removed. */
export interface Bundle {
  readonly path: string;
  remove(): void;
}

/** Bundles the processes' code, so that they run in plain Node: a loader of TypeScript takes memory and time of its own. */
export async function bundleContenders(): Promise<Bundle> {
  // Within the project, whose packages it finds there.
  const folder = join(cacheFolder, `contender-${process.pid}`);
  await build({
    entryPoints: [join(projectFolder, 'bench', 'contender.ts')],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outExtension: { '.js': '.mjs' },
    outdir: folder,
    logLevel: 'error',
  });
  return { path: join(folder, 'contender.mjs'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export function startChild(
  { path }: Bundle,
  { environment }: Pick<Contender, 'environment'>,
  { realtime }: { readonly realtime: boolean },
): Child {
  const node = [process.execPath, '--expose-gc', path];
  const [program, ...args] = realtime ? ['chrt', '-r', '1', ...node] : node;
  const child = spawn(program as string, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, BENCH_FOLDER: join(projectFolder, 'bench'), ...environment },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => reject(new Error(`ended with ${signal ?? code}: ${said.trim()}`)));
  });
  ended.catch(() => {}); // told to whoever asks
  const answers = answersOf(child);
  return {
    async ask(task, asked) {
      child.stdin.write(`${JSON.stringify({ task, ...asked })}\n`);
      const { error, ...answer } = await Promise.race([answers.next(), ended]);
      if (error !== undefined) throw new Error(String(error));
      return answer as Tasks[typeof task]['answer'];
    },
    async stop() {
      child.stdin.end();
      await ended.catch(() => {});
    },
  };
}

/** The answers in order; lines of other kinds are what libraries print. */
function answersOf(child: ChildProcess): { next(): Promise<Record<string, unknown>> } {
  const waiting: ((answer: Record<string, unknown>) => void)[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    if (line.startsWith(answerMark)) waiting.shift()?.(JSON.parse(line.slice(answerMark.length)));
  });
  return { next: () => new Promise((resolve) => waiting.push(resolve)) };
}
