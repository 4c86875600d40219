/** The command line in a process of its own. */

import { spawn } from 'node:child_process';
import { vi } from 'vitest';
import { report } from '../../src/cli/failures.js';
import { createProgram } from '../../src/cli/program.js';
import { quintetCommand } from '../command.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Signal = (name: NodeJS.Signals) => void;
type Watcher = (text: string, signal: Signal) => void;

export interface RunOptions {
  /** Node and its arguments; default those of `quintet` itself. */
  readonly command?: readonly [string, ...string[]];
  /** Written to the standard input, which then ends. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it is started; default where the tests are. */
  readonly cwd?: string;
  /** Called once it runs. */
  readonly onStart?: (signal: Signal) => Promise<void>;
  /** Called with each piece of the standard output, or of the standard error. */
  readonly onOutput?: Watcher;
  readonly onError?: Watcher;
}

/** Runs `quintet` and waits for its end. */
export function quintet(
  args: readonly string[],
  { command = quintetCommand, input = '', env = {}, cwd, onStart, onOutput, onError }: RunOptions = {},
): Promise<Ended> {
  const [program, ...before] = command;
  const child = spawn(program, [...before, ...args], {
    cwd,
    env: { ...process.env, HF_HUB_OFFLINE: '1', NO_COLOR: '1', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onOutput?.(text, (name) => child.kill(name));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onError?.(text, (name) => child.kill(name));
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    onStart?.((name) => child.kill(name)).catch(reject);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** What an action in this process writes, and the exit code that its end asks for. */
export async function captured(action: () => Promise<unknown>): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text;
      return true;
    }),
  );
  try {
    await action();
    return { code: 0, ...written };
  } catch (error) {
    const code = report(error);
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Runs `quintet` in this process, which spares the start of another one; for commands that set no exit code themselves. */
export const here = (args: readonly string[]): Promise<Ended> =>
  captured(() => createProgram().parseAsync(args, { from: 'user' }));
