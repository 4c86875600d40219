import { expect, test } from 'vitest';
import { launchOf, partOf, threadsOf } from '../../src/parallel/index.js';
import { libraryOf } from '../../src/parallel/mpi-api.js';
import { mostThreads } from '../../src/runtime/engine.js';

const mpirun = { OMPI_COMM_WORLD_SIZE: '6', OMPI_COMM_WORLD_RANK: '4', OMPI_COMM_WORLD_LOCAL_SIZE: '3' };

test('only a process that mpirun has started beside others is one of several', () => {
  expect(launchOf({ PATH: '/bin' })).toBeUndefined();
  expect(launchOf({ ...mpirun, OMPI_COMM_WORLD_SIZE: '1' })).toBeUndefined();
  expect(launchOf(mpirun)).toEqual({ rank: 4, size: 6, local: 3, bound: false });
  expect(launchOf({ ...mpirun, OMPI_MCA_orte_bound_at_launch: '1' })).toMatchObject({ bound: true });
  expect(() => launchOf({ ...mpirun, OMPI_COMM_WORLD_RANK: 'x' })).toThrow(
    'environment variable OMPI_COMM_WORLD_RANK: expected a whole number, got "x"',
  );
});

test('processes of one machine share its cores, unless mpirun has divided them', () => {
  const launch = { rank: 0, size: 6, local: 3, bound: false };
  expect(threadsOf(launch, 16)).toBe(5);
  expect(threadsOf(launch, 2)).toBe(1);
  expect(threadsOf({ ...launch, bound: true }, 4)).toBe(4);
  expect(threadsOf({ ...launch, bound: true }, 768)).toBe(mostThreads);
});

test.each([
  [7, 3],
  [8, 2],
  [2, 4],
  [0, 2],
])('the shares of %i things among %i cover each of them once, and differ by one at most', (count, size) => {
  const parts = Array.from({ length: size }, (_, rank) => partOf(count, { rank, size }));
  const things = parts.flatMap(({ from, count: own }) => Array.from({ length: own }, (_, i) => from + i));
  expect(things).toEqual(Array.from({ length: count }, (_, i) => i));
  const counts = parts.map(({ count: own }) => own);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

test('on Windows several processes are refused: Microsoft MPI is not Open MPI', () => {
  expect(libraryOf('linux')).toBe('libmpi.so.40');
  expect(() => libraryOf('win32')).toThrow(/not on win32\n {2}.*Microsoft MPI has other handles.*within WSL/);
});
