/** One of several processes that meet, and what each of them saw, as JSON. */

import { writeSync } from 'node:fs';
import { joinProcesses } from '../../src/parallel/index.js';

const [mode, patience] = process.argv.slice(2);
const group = await joinProcesses({ patience: Number(patience) });
const { rank, size } = group;
// A whole line at once: mpirun mixes what the processes write.
const tell = (seen: unknown): number => writeSync(1, `${JSON.stringify(seen)}\n`);

/** Three buckets and a bit. */
const length = 3 * 2 ** 20 + 5;

async function exchange(): Promise<unknown> {
  const gathered = await group.gather({
    rank,
    text: 'ä'.repeat(100 * rank),
    none: rank === 0 ? Number.NaN : undefined,
  });
  const memory = new Float32Array(new WebAssembly.Memory({ initial: 256, maximum: 256 }).buffer);
  const numbers = memory.subarray(64, 64 + length).map((_, i) => (i % 1000) + 1000 * rank);
  memory.set(numbers, 64);
  await group.sum(memory.subarray(64, 64 + length));
  const right = (i: number): number => size * (i % 1000) + (1000 * (size * (size - 1))) / 2;
  const sums = memory.subarray(64, 64 + length).every((sum, i) => sum === right(i));
  const around = [memory[63], memory[64 + length]];
  const bytes = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i + rank) % 251);
  await group.broadcast(bytes);
  return {
    rank,
    gathered,
    isNaN: Number.isNaN(gathered[0]?.none),
    sums,
    around,
    copied: bytes.every((byte, i) => byte === i % 251),
  };
}

async function end(): Promise<unknown> {
  if (mode === 'exchange') return exchange();
  if (mode === 'fail' && rank === 1) throw new RangeError('the disk is full');
  if (mode === 'agree') throw new RangeError('no such run file');
  if (mode === 'die' && rank === 1) process.kill(process.pid, 'SIGKILL');
  if (mode === 'sleep' && rank === 1) process.kill(process.pid, 'SIGSTOP');
  await group.gather(rank);
  return undefined;
}

try {
  tell(await end());
} catch (error) {
  const { message, cause } = (await group.fail(error)) as Error;
  tell({ rank, speaks: group.speaks, message, cause: String(cause) });
}
await group.close();
