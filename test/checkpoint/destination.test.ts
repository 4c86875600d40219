/** Where files are written to: what is wrong with a place is said as it is, and before the work whose result goes there. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDestination, makeFolder, writeAtomically } from '../../src/checkpoint/index.js';
import { temporaryFolder } from './temporary.js';

const long = 'n'.repeat(300);

test.each(['file', 'folder'] as const)(
  'the name of a %s that is too long is refused before it is written',
  async (kind) => {
    const place = join(temporaryFolder(), long);
    await expect(checkDestination(place, kind)).rejects.toThrow(`${place}: the name is too long`);
  },
);

test('what has no folder to go to, or a name that is too long, says so where it is written', async () => {
  const folder = temporaryFolder();
  const write = (name: string): Promise<void> => writeAtomically(join(folder, name), (file) => file.writeFile('x'));
  await write('there');
  await expect(write('none/a')).rejects.toThrow(`${join(folder, 'none/a')}: there is no folder to write it to`);
  await expect(write('there/a')).rejects.toThrow(`${join(folder, 'there/a')}: there is no folder to write it to`);
  await expect(write(long)).rejects.toThrow(': the name is too long');
  await expect(makeFolder(join(folder, 'there/a'))).rejects.toThrow(': there is no folder to write it to');
  await expect(makeFolder(join(folder, 'there'))).rejects.toThrow(
    `${join(folder, 'there')}: is a file, where a folder is to be made`,
  );
  expect(readdirSync(folder)).toEqual(['there']);
});
