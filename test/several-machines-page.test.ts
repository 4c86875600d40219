/** What docs/several-machines.md shows: its commands, its containers, its program. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../src/cli/program.js';
import { nodeCommand } from './command.js';
import { blocksOf, programOf } from './example.js';
import { mpirun, mpirunFound } from './mpirun.js';
import { runFolder, stage } from './train/runs.js';

const read = (name: string): string => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

interface Compose {
  readonly services: Readonly<Record<string, { readonly command?: readonly string[]; readonly image: string }>>;
}
interface Job {
  readonly spec: {
    readonly slotsPerWorker: number;
    readonly mpiReplicaSpecs: Readonly<
      Record<
        'Launcher' | 'Worker',
        {
          readonly replicas: number;
          readonly template: {
            readonly spec: {
              readonly containers: readonly {
                readonly command: readonly string[];
                readonly resources: { readonly limits: { readonly cpu: number } };
              }[];
            };
          };
        }
      >
    >;
  };
}

const compose = parse(read('several-machines/compose.yaml')) as Compose;
const { spec: job } = parse(read('several-machines/mpijob.yaml')) as Job;
const [launcher] = job.mpiReplicaSpecs.Launcher.template.spec.containers;
const [worker] = job.mpiReplicaSpecs.Worker.template.spec.containers;

/** What a command of mpirun tells mpirun, and what it tells quintet. */
function parts(command: readonly string[]): {
  readonly mpirun: readonly string[];
  readonly quintet: readonly string[];
} {
  const at = command.indexOf('quintet');
  expect(command[0]).toBe('mpirun');
  return { mpirun: command.slice(1, at), quintet: command.slice(at + 1) };
}

const argumentOf = (args: readonly string[], name: string): string | undefined => args[args.indexOf(name) + 1];

test('the containers of compose are those that its mpirun starts processes in', () => {
  const { mpirun: settings } = parts(compose.services.first?.command ?? []);
  expect(argumentOf(settings, '--host')?.split(',')).toEqual(
    Object.keys(compose.services)
      .filter((name) => name !== 'keys')
      .toReversed(),
  );
});

test('the job starts as many processes as it has workers, each with all the threads of one', () => {
  const { mpirun: settings, quintet } = parts(launcher?.command ?? []);
  expect(Number(argumentOf(settings, '-np'))).toBe(job.slotsPerWorker * job.mpiReplicaSpecs.Worker.replicas);
  expect(Number(argumentOf(quintet, '--threads'))).toBe(worker?.resources.limits.cpu);
});

test('what the page and its files tell quintet are arguments that it takes', () => {
  const shown = blocksOf(read('several-machines.md'), 'sh').flatMap(
    (block) => block.match(/^mpirun .*?(?= *#|$)/gm) ?? [],
  );
  expect(shown).toHaveLength(2);
  const commands = [
    ...shown.map((line) => line.trim().split(/\s+/)),
    compose.services.first?.command,
    launcher?.command,
  ];
  for (const command of commands) {
    const [name, ...args] = parts(command ?? []).quintet;
    const train = createProgram().commands.find((own) => own.name() === name);
    expect(train?.parseOptions(args).operands, args.join(' ')).toEqual(['run.yaml']);
    expect(train?.parseOptions(args).unknown.filter((arg) => !['--threads', '8'].includes(arg))).toEqual([]);
  }
});

test.skipIf(!mpirunFound)(
  "the page's program trains in two processes, with the settings that compose gives mpirun",
  async () => {
    const { folder } = runFolder({ stages: [stage({ name: 'align', steps: 2 })] });
    const [code = ''] = blocksOf(read('several-machines.md'), 'ts');
    const file = join(folder, 'program.mjs');
    writeFileSync(file, programOf(code.replace("'run.yaml'", `'${folder}/run.yaml'`)));
    const { mpirun: settings } = parts(compose.services.first?.command ?? []);
    const here = settings.map((setting) => (setting === 'first,second' ? 'localhost:2' : setting));
    const { code: status, stdout } = await mpirun([...nodeCommand, file], { processes: 2, settings: here });
    expect(status).toBe(0);
    expect(stdout).toBe(`${folder}/out/model\n`);
  },
);
