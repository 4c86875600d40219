/** A process that saves checkpoints until it is killed. Each array and the state tell the step they belong to. */

import { RunFolder } from '../../src/train/run-folder.js';
import type { Snapshot } from '../../src/train/snapshot.js';

const arrayBytes = 200_000;

export function snapshotOf(step: number): Snapshot {
  const values = new Uint8Array(arrayBytes).fill(step % 251);
  const first = new Uint8Array(arrayBytes).fill((7 * step) % 251);
  return {
    step,
    state: { step, losses: Array.from({ length: 20 }, (_, i) => step / (i + 3)) },
    arrays: { values, first },
  };
}

export async function saveForever(path: string): Promise<never> {
  const folder = await RunFolder.open(path);
  let step = (await folder.latest())?.step ?? 0;
  await folder.rewindLog(step);
  for (;;) {
    step++;
    await folder.log({ step, loss: 1 / step });
    await folder.save(snapshotOf(step));
    process.stdout.write(`${step}\n`);
  }
}

if (process.argv[2] === 'save') await saveForever(process.argv[3] as string);
