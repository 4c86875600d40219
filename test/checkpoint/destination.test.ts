/** Where files are written to: what is wrong with a place is said as it is, and before the work whose result goes there. */

import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkDestination, makeFolder, writeAtomically, writeResult } from '../../src/checkpoint/index.js';
import { ownProcess, type Process, wordOf } from '../../src/machine/process.js';
import { temporaryFolder } from '../temporary.js';

const long = 'n'.repeat(300);

test.each(['file', 'folder'] as const)(
  'the name of a %s that is too long is refused before it is written',
  async (kind) => {
    const place = join(temporaryFolder(), long);
    await expect(checkDestination(place, kind)).rejects.toThrow(`${place}: the name is too long`);
  },
);

test('what a process that was killed has left of a file goes with the next that writes it; that of others stays', async () => {
  const folder = temporaryFolder();
  const leftBy = (change: Partial<Process>, name = 'file'): string => {
    // A number that no file of this process has.
    const path = join(folder, `.${name}.${wordOf({ ...ownProcess(), ...change })}.${2 ** 40}.part`);
    writeFileSync(path, 'half');
    return path;
  };
  const gone = { pid: 2 ** 30 }; // process numbers end far below
  const left = leftBy(gone);
  const kept = [leftBy({}), leftBy({ ...gone, host: 'elsewhere' }), leftBy(gone, 'files')];
  await writeAtomically(join(folder, 'file'), (handle) => handle.writeFile('x'));
  expect(existsSync(left)).toBe(false);
  expect(kept.every((path) => existsSync(path))).toBe(true);
});

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

test('a folder is made with those that it is to be in, by several at once', async () => {
  const folder = join(temporaryFolder(), 'a/b/c');
  await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(folder, 'd'))]);
  await makeFolder(folder);
  expect(readdirSync(folder)).toEqual(['d']);
});

test.runIf(process.platform === 'linux')(
  'where the system makes no folders, making one fails and does not go on for ever',
  async () => {
    for (const path of ['/proc/nope', '/proc/nope/a/b']) await expect(makeFolder(path)).rejects.toThrow(`${path}: `);
  },
);

test('of several that write one file at once each writes it whole', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'file');
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(1000));
  let begun = 0;
  await Promise.all(
    texts.map((text) =>
      writeAtomically(path, async (file) => {
        await file.writeFile(text.slice(0, 500));
        begun++;
        // Nobody goes on before all have written something.
        while (begun < texts.length) await new Promise((resolve) => setTimeout(resolve, 1));
        await file.writeFile(text.slice(500));
      }),
    ),
  );
  expect(texts).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(folder)).toEqual(['file']);
});

test('a result takes the place of the file that was there, which nobody finds half written', async () => {
  const folder = temporaryFolder({ result: 'old' });
  const [result, opened] = [join(folder, 'result'), join(folder, 'opened')];
  linkSync(result, opened);
  await writeResult(result, 'new');
  expect([result, opened].map((path) => readFileSync(path, 'utf8'))).toEqual(['new', 'old']);
});

test.skipIf(process.platform === 'win32')('a result goes into a pipe that has its name', async () => {
  const pipe = join(temporaryFolder(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const [read] = await Promise.all([readFile(pipe, 'utf8'), writeResult(pipe, 'piped')]);
  expect(read).toBe('piped');
});
