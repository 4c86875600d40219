/** Two machines within this one: network namespaces with a cable between them, which only root can make. */

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from '../temporary.js';

const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

/** Whether namespaces can be made here. */
export function namespacesAllowed(): boolean {
  const name = `quintet-try-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return false;
  return spawnSync('ip', ['netns', 'delete', name]).status === 0;
}

export interface TwoMachines {
  /** What mpirun is to be started by, and its settings: a process runs on each machine. */
  readonly launcher: readonly string[];
  readonly settings: readonly string[];
  /** Bytes that have gone from the first one to the second one. */
  sent(): number;
}

/** Machines that last as long as the test. */
export function twoMachines(): TwoMachines {
  const names = ['first', 'second'].map((name) => `quintet-${name}-${process.pid}`) as [string, string];
  const [first, second] = names;
  const folder = temporaryFolder();
  onTestFinished(() => {
    for (const name of names) spawnSync('ip', ['netns', 'delete', name]);
  });
  for (const name of names) ip('netns', 'add', name);
  ip('link', 'add', 'cable', 'netns', first, 'type', 'veth', 'peer', 'name', 'cable', 'netns', second);
  for (const [i, name] of names.entries()) {
    ip('-n', name, 'address', 'add', `10.77.0.${i + 1}/24`, 'dev', 'cable');
    for (const device of ['cable', 'lo']) ip('-n', name, 'link', 'set', device, 'up');
  }
  // In the place of ssh: the arguments are options, the machine, and the words of a command for its shell.
  const agent = join(folder, 'agent');
  const enter = (name: string): string[] => ['ip', 'netns', 'exec', name, 'unshare', '--uts', 'bash', '-c'];
  writeFileSync(
    agent,
    `#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nshift\nexec ${enter(second).join(' ')} 'hostname second; eval "$1"' bash "$*"\n`,
  );
  chmodSync(agent, 0o755);
  const network = ['oob', 'btl'].flatMap((layer) => ['--mca', `${layer}_tcp_if_include`, '10.77.0.0/24']);
  return {
    launcher: [...enter(first), 'hostname first; exec "$@"', 'bash'],
    settings: ['--mca', 'plm_rsh_agent', agent, ...network, '--host', '10.77.0.1,10.77.0.2'],
    sent: () => Number(ip('netns', 'exec', first, 'cat', '/sys/class/net/cable/statistics/tx_bytes')),
  };
}
