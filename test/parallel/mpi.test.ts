/** Groups of real processes. They are skipped without Open MPI; `npm test` says so. */

import { expect, test } from 'vitest';
import { bundled } from '../bundle.js';
import { mpirun, mpirunFound } from '../mpirun.js';

const command = (): string[] => [process.execPath, bundled(new URL('./processes.ts', import.meta.url))];

interface Seen {
  readonly rank: number;
  readonly [name: string]: unknown;
}

/** What each process told, by rank. */
const told = (stdout: string): Seen[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Seen)
    .toSorted((a, b) => a.rank - b.rank);

test.skipIf(!mpirunFound)('three processes gather, sum and copy over MPI', async () => {
  const { code, stdout, stderr } = await mpirun([...command(), 'exchange', '60'], { processes: 3 });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const gathered = [0, 1, 2].map((rank) => ({
    rank,
    text: 'ä'.repeat(100 * rank),
    ...(rank === 0 ? { none: null } : {}),
  }));
  expect(told(stdout)).toEqual(
    [0, 1, 2].map((rank) => ({ rank, gathered, isNaN: true, sums: true, around: [0, 0], copied: true })),
  );
});

test.skipIf(!mpirunFound)(
  'what fails on one process is thrown on all, and what fails on all is nobody’s own',
  async () => {
    const own = command();
    const { code, stdout } = await mpirun([...own, 'fail', '60'], { processes: 3 });
    expect(code).toBe(0);
    for (const [rank, { message, speaks, cause }] of told(stdout).entries()) {
      expect(message).toMatch(/^process 1 of 3 \(\d+ on .+\): RangeError: the disk is full$/);
      expect(speaks).toBe(rank === 0);
      expect(cause).toBe(rank === 1 ? 'RangeError: the disk is full' : 'undefined');
    }
    const agreed = await mpirun([...own, 'agree', '60'], { processes: 2 });
    expect(told(agreed.stdout).map(({ message }) => message)).toEqual(Array(2).fill('RangeError: no such run file'));
  },
);

test.skipIf(!mpirunFound)(
  'a process that dies or stays silent ends the others, which say which one it was',
  async () => {
    const own = command();
    const died = await mpirun([...own, 'die', '60'], { processes: 2 });
    expect(died.code).not.toBe(0);
    expect(told(died.stdout)[0]).toMatchObject({
      ...{ rank: 0, speaks: true },
      message: expect.stringMatching(/^process 1 of 2 \(\d+ on .+\) has died\n {2}This ends all processes of the run/),
    });
    const slept = await mpirun([...own, 'sleep', '1'], { processes: 2 });
    expect(slept.code).not.toBe(0);
    expect(told(slept.stdout)[0]).toMatchObject({
      message: expect.stringMatching(/^process 1 of 2 \(\d+ on .+\) has not answered for 1 s\n/),
    });
  },
);
