/** Processes started by Open MPI's mpirun, for tests that are skipped where it is not installed. */

import { spawn, spawnSync } from 'node:child_process';

/** Whether Open MPI's mpirun is on the path. */
export const mpirunFound: boolean = (spawnSync('mpirun', ['--version']).stdout ?? '').includes('Open MPI');

export interface MpirunEnd {
  /** Of mpirun: that of a process that failed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MpirunOptions {
  readonly processes: number;
  /** What mpirun itself is started by; default nothing. */
  readonly launcher?: readonly string[];
  /** Arguments of mpirun itself. */
  readonly settings?: readonly string[];
  /** Called with what has been written to the standard output so far. */
  readonly onOutput?: (stdout: string, mpirun: { kill(signal: NodeJS.Signals): void }) => void;
}

/** Runs a command in several processes on this machine, and waits for their end. */
export function mpirun(command: readonly string[], options: MpirunOptions): Promise<MpirunEnd> {
  const { processes, launcher = [], settings = [], onOutput } = options;
  // Tests run beside others, and in containers as root.
  const own = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', '-np', `${processes}`];
  const [program, ...args] = [...launcher, 'mpirun', ...own, ...settings, ...command];
  const child = spawn(program as string, args, {
    env: { ...process.env, HF_HUB_OFFLINE: '1', NO_COLOR: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onOutput?.(stdout, { kill: (signal) => child.kill(signal) });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
