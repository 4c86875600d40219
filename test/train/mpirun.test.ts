/** `mpirun quintet train`: real processes, which are skipped without Open MPI. */

import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runFile } from '../../src/train/run.js';
import { quintetCommand } from '../command.js';
import { engine } from '../fixture.js';
import { type MpirunEnd, type MpirunOptions, mpirun, mpirunFound } from '../mpirun.js';
import { namespacesAllowed, twoMachines } from '../parallel/namespaces.js';
import { expectAlike, logOf, weightsOf } from './alike.js';
import { runFolder, stage } from './runs.js';

// Plain gradients: over many steps Adam makes much of what rounding leaves of the smallest ones.
const optimizer = { kind: 'sgd', lr: 0.01 };
const train = ['multi_modal_projector.**'];
const settings = { stages: [stage({ name: 'align', batch: 4, steps: 120, saveEvery: 10, train, optimizer })] };

/** Trains in several processes, each of which says on the standard output who it is; the first one also says each step. */
function trainTogether(file: string, options: MpirunOptions): Promise<MpirunEnd> {
  const command = 'echo "rank $OMPI_COMM_WORLD_RANK is $$"; exec "$@"';
  return mpirun(['bash', '-c', command, 'bash', ...quintetCommand, 'train', file, '--json'], options);
}

const steps = (stdout: string): number => stdout.split('"event":"step"').length - 1;

test.skipIf(!mpirunFound)(
  'a run that is stopped, then loses one of three processes, then goes on alone, ends as one that nothing happened to',
  async () => {
    const [whole, disturbed] = [runFolder(settings), runFolder(settings)];
    await runFile(whole.file, { engine });

    const stopped = await trainTogether(disturbed.file, {
      processes: 2,
      onOutput: (stdout, { kill }) => steps(stdout) >= 12 && kill('SIGUSR2'),
    });
    expect(stopped.code).toBe(130);
    const reached = logOf(disturbed.folder, 'align').length;
    expect(reached).toBeGreaterThanOrEqual(12);
    expect(readdirSync(join(disturbed.folder, 'out/align/checkpoints'))).toContain(
      `step-${`${reached}`.padStart(6, '0')}`,
    );

    let killed = false;
    const died = await trainTogether(disturbed.file, {
      processes: 3,
      onOutput(stdout) {
        if (killed || steps(stdout) < 15) return;
        killed = true;
        process.kill(Number(/rank 1 is (\d+)/.exec(stdout)?.[1]), 'SIGKILL');
      },
    });
    expect(died.code).not.toBe(0);
    expect(died.stderr).toMatch(/error: process 1 of 3 \(\d+ on .+\) has died\n {2}This ends all processes of the run/);
    expect(logOf(disturbed.folder, 'align').length).toBeGreaterThanOrEqual(reached + 15);

    await runFile(disturbed.file, { engine });
    expectAlike(logOf(disturbed.folder, 'align'), logOf(whole.folder, 'align'));
    expectAlike(await weightsOf(disturbed.folder), await weightsOf(whole.folder));
  },
  180_000,
);

test.skipIf(!mpirunFound)('what is wrong with the data of one process is told once, and ends all', async () => {
  const { folder } = runFolder(settings);
  const other = join(folder, 'other');
  for (const name of ['base', 'run.yaml', 'chats.jsonl'])
    cpSync(join(folder, name), join(other, name), { recursive: true });
  rmSync(join(other, 'chats.jsonl'));
  const command = `cd "${folder}"; [ $OMPI_COMM_WORLD_RANK = 1 ] && cd other; exec "$@"`;
  const { code, stderr } = await mpirun(['bash', '-c', command, 'bash', ...quintetCommand, 'train', 'run.yaml'], {
    processes: 2,
  });
  expect(code).toBe(1);
  expect(stderr.match(/^error: .*/gm)).toEqual([
    expect.stringMatching(/^error: process 1 of 2 \(\d+ on .+\): .*other\/chats\.jsonl: cannot be opened/),
  ]);
});

test.skipIf(!mpirunFound)('what is wrong with the run file is told once, and blames no process', async () => {
  const { file } = runFolder({ ...settings, sed: 3 });
  const { code, stderr } = await mpirun([...quintetCommand, 'train', file], { processes: 2 });
  expect(code).toBe(1);
  expect(stderr.match(/^error: .*/gm)).toEqual([`error: ${file}: there is no field "sed"; did you mean "seed"?`]);
});

test.skipIf(!mpirunFound || !namespacesAllowed())(
  'two machines train over the network between them as one process does',
  async () => {
    const stages = [stage({ name: 'align', batch: 4, train: ['language_model.**'], optimizer })];
    const [alone, shared] = [runFolder({ stages }), runFolder({ stages })];
    await runFile(alone.file, { engine });
    const machines = twoMachines();
    const { code, stdout } = await mpirun([...quintetCommand, 'train', shared.file], { processes: 2, ...machines });
    expect(code).toBe(0);
    expect(stdout).toContain(join(shared.folder, 'out/model'));
    expectAlike(logOf(shared.folder, 'align'), logOf(alone.folder, 'align'));
    const weights = await weightsOf(shared.folder);
    expectAlike(weights, await weightsOf(alone.folder));
    // Half of the gradients of each step go either way at least.
    const trained = Object.entries(weights).flatMap(([name, own]) => (name.startsWith('language_model') ? own : []));
    expect(machines.sent()).toBeGreaterThan(4 * 4 * (trained.length / 2));
  },
  180_000,
);
