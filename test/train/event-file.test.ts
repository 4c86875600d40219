/** Event files, against what TensorBoard's own writer makes of the same records (oracle/event_file.py). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { crc32c } from '../../src/train/crc32c.js';
import { openEventFile } from '../../src/train/event-file.js';
import { readRunLog } from '../../src/train/run-log.js';
import { fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

const fixture = (name: string): string => join(fixturePath('train'), name);

test("the checksums are those of RFC 3720's examples", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

test("a run's event file has the bytes of TensorBoard's", async () => {
  const folder = temporaryFolder();
  const events = openEventFile(folder);
  events.rewind(-1);
  for (const record of await readRunLog(fixture('log.jsonl'))) await events.append(record);
  await events.close();
  const [name = ''] = readdirSync(folder);
  const [own, theirs] = [readFileSync(join(folder, name)), readFileSync(fixture('events.tfevents'))];
  expect(own.toString('hex')).toBe(theirs.toString('hex'));
});

test('each process begins a file behind the others, and only when there is something to write', async () => {
  const folder = temporaryFolder();
  for (const step of [1, 2]) {
    const events = openEventFile(folder);
    await events.append({ step, loss: 1 });
    await events.close();
  }
  await openEventFile(folder).close();
  expect(readdirSync(folder).sort()).toEqual([1, 2].map((n) => `events.out.tfevents.00000${n}.quintet`));
});
