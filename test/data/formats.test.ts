/** Files of every format give the samples that went into them; damaged ones give errors of the data, and soon. */

import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Dataset, type DatasetOptions, openDataset } from '../../src/data/dataset.js';
import { createParquetReader, type ParquetMemory } from '../../src/data/formats/parquet-records.js';
import type { PictureData, Sample } from '../../src/data/sample.js';
import { QuintetError, Random } from '../../src/tensor/index.js';
import { fixtureJson, fixturePath } from '../fixture.js';
import { sharedFolder } from '../temporary.js';

const folder = sharedFolder();

const files = fixturePath('data');
interface Expected extends Pick<Sample, 'messages'> {
  readonly id?: string;
  /** Hashes of the pictures' files. */
  readonly pictures: readonly string[];
}
const expected = fixtureJson('data', 'expected.json') as unknown as Readonly<Record<string, readonly Expected[]>>;

async function withData<T>(path: string, use: (data: Dataset) => Promise<T>, options?: DatasetOptions): Promise<T> {
  const data = await openDataset(path, options);
  try {
    return await use(data);
  } finally {
    await data.close();
  }
}

const hashOf = (picture: PictureData) =>
  createHash('sha256')
    .update(typeof picture === 'string' ? readFileSync(picture) : picture)
    .digest('hex');

async function readAll(data: Dataset, order = Array.from({ length: data.count }, (_, i) => i)) {
  const samples = await Promise.all(order.map((index) => data.read(index)));
  return samples.map(({ id, messages, pictures }) => ({ id, messages, pictures: pictures.map(hashOf) }));
}

test.each(Object.keys(expected))('%s gives what its own library reads in it', async (name) => {
  const wanted = expected[name] as readonly Expected[];
  await withData(
    join(files, name),
    async (data) => {
      expect(data.count).toBe(wanted.length);
      const backwards = [...wanted.keys()].reverse();
      const read = (await readAll(data, backwards)).reverse();
      for (const [i, { id, ...sample }] of wanted.entries()) {
        expect(read[i], `sample ${i}`).toMatchObject(sample);
        if (id !== undefined) expect(read[i]?.id).toBe(id);
      }
      // Longer texts are longer, whatever is counted.
      const lengths = await data.lengths();
      expect(lengths).toHaveLength(wanted.length);
      const longest = Math.max(...wanted.map(({ messages }) => JSON.stringify(messages).length));
      const at = wanted.findIndex(({ messages }) => JSON.stringify(messages).length === longest);
      expect(lengths[at]).toBeGreaterThan(Math.min(...lengths));
    },
    /\.(?:csv|jsonl)$/.test(name) ? { pictures: join(files, 'pictures') } : {},
  );
});

test('some lengths of Parquet are those of rows that are spread evenly; of other files nothing must be read', async () => {
  await withData(join(files, 'hub.parquet'), async (data) => {
    const some = async (most: number) => [...((await data.someLengths?.(most)) ?? [])];
    // Three groups, of three rows, three and one.
    const [three, one] = [await some(300), await some(1)];
    const lengths = await data.lengths();
    expect(three).toEqual([...lengths.entries()]);
    expect(one).toEqual([[3, lengths[3]]]);
    // What is known need not be looked for.
    expect(await some(1)).toEqual(three);
  });
  const twice = join(folder, 'twice-{0,1}.parquet');
  for (const name of ['twice-0.parquet', 'twice-1.parquet'])
    copyFileSync(join(files, 'hub.parquet'), join(folder, name));
  await withData(twice, async (data) => {
    const some = await data.someLengths?.(2);
    const lengths = await data.lengths();
    expect([...(some ?? [])]).toEqual([
      [3, lengths[3]],
      [10, lengths[10]],
    ]);
  });
  const many = Array.from({ length: 20 }, (_, i) => `many-${String(i).padStart(2, '0')}.parquet`);
  for (const [i, name] of many.entries())
    copyFileSync(join(files, i === 0 ? 'hub.parquet' : 'none.parquet'), join(folder, name));
  await withData(join(folder, 'many-*.parquet'), async (data) => {
    // Some of each file, more of that with more rows, and of no more files than rows are asked for.
    const filesOf = async (most: number) => {
      const indices = [...((await data.someLengths?.(most)) ?? new Map<number, number>()).keys()];
      return indices.map((index) => basename(data.where(index).split(':row')[0] as string));
    };
    expect(await filesOf(20)).toEqual([many[0], ...many]);
    expect(await filesOf(2)).toEqual([many[5], many[15]]);
  });
  await withData(join(files, 'questions.jsonl'), async (data) => expect(data.someLengths).toBeUndefined(), {
    pictures: join(files, 'pictures'),
  });
});

test('places in files are told as a reader finds them: a line, a row, a member', async () => {
  const whereOf = (name: string, index: number) =>
    withData(join(files, name), async (data) => (await data.read(index)).where, { pictures: join(files, 'pictures') });
  // The third caption has a line break.
  expect(await whereOf('commas.csv', 3)).toBe(`${join(files, 'commas.csv')}:6`);
  expect(await whereOf('hub.parquet', 4)).toBe(`${join(files, 'hub.parquet')}:row 4`);
  expect(await whereOf('ustar.tar', 1)).toBe(`${join(files, 'ustar.tar')}:0001`);
  expect(await whereOf('shard-{000..001}.tar', 4)).toBe(`${join(files, 'shard-001.tar')}:key4`);
});

test('patterns, folders and given formats choose files', async () => {
  const countOf = (path: string, options?: DatasetOptions) => withData(path, async ({ count }) => count, options);
  expect(await countOf(join(files, 'shard-*.tar'))).toBe(6);
  expect(await countOf(join(files, '{gnu,pax}.tar'))).toBe(8);
  expect(await countOf(join(files, '{snappy,none}.parquet'))).toBe(12);
  expect(await countOf(join(files, 'commas.csv'), { format: 'csv' })).toBe(7);
  await expect(countOf(join(files, 'commas.csv'), { format: 'tar' })).rejects.toThrow('not a tar archive');
  await expect(countOf(join(files, 'commas.csv'), { format: 'parquet' })).rejects.toThrow('does not end as Parquet');
  await expect(countOf(join(files, 'missing-*.tar'))).rejects.toThrow('missing-*.tar: no file is called so');
  await expect(countOf(join(files, '{1..400}{1..400}.tar'))).rejects.toThrow('more than 100000 files');
  await expect(countOf(join(files, 'shard-{5..2}.tar'))).rejects.toThrow('{5..2} names no files');
  await expect(countOf(files)).rejects.toThrow('Name the files instead');
  const gzipped = join(folder, 'a.tar.gz');
  writeFileSync(gzipped, gzipSync(readFileSync(join(files, 'ustar.tar'))));
  await expect(countOf(gzipped)).rejects.toThrow('Decompress it first');
});

describe('tables', () => {
  const table = join(folder, 'table.csv');
  const read = (text: string, index = 0) => {
    writeFileSync(table, text);
    return withData(table, (data) => data.read(index));
  };

  test('a cell with a lone quotation mark or too few cells spoil their own line only', async () => {
    const text = 'image,caption\na.png,5" tall\nb.png,fine\nc.png\nd.png,"two\n\nlines"\n\n"e.png","a ""b"""';
    await expect(read(text, 0)).rejects.toThrow(
      /table\S*:2: not CSV: a quotation mark in the midst .*\n {2}Put quotation marks/,
    );
    expect((await read(text, 1)).messages[1]?.content).toBe('fine');
    await expect(read(text, 2)).rejects.toThrow(`${table}:4: 1 cells, but 2 columns`);
    const last = await read(text, 4);
    expect([last.messages[1]?.content, last.where]).toEqual(['a "b"', `${table}:9`]);
  });

  test('empty cells are missing, and columns need names of their own', async () => {
    await expect(read('image,caption\n,text\n')).rejects.toThrow('a caption without a picture');
    await expect(read('image,image,caption\na,b,c\n')).rejects.toThrow('two columns are called "image"');
  });
});

/** A header of a member, and its bytes. */
function member(name: string, size: number, { type = '0', bytes = new Uint8Array(0) } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(size.toString(8).padStart(11, '0'), 124);
  header.write(type, 156);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

test('an archive that says more than it holds is refused before anything is reserved', async () => {
  const path = join(folder, 'odd.tar');
  const open = (...parts: Buffer[]) => {
    writeFileSync(path, Buffer.concat(parts));
    return withData(path, (data) => data.read(0));
  };
  await expect(open(member('a.png', 2 ** 32))).rejects.toThrow('the archive ends within "a.png"');
  const whole = Buffer.concat([member('a.txt', 0), member('b.txt', 3, { bytes: Buffer.from('abc') })]);
  await expect(open(whole.subarray(0, 700))).rejects.toThrow(`${path}@512: the archive ends within a block`);
  await expect(open(whole.subarray(0, 1030))).rejects.toThrow('the archive ends within a block');
  await expect(open(member('x', 2 ** 20, { type: 'L', bytes: new Uint8Array(2 ** 20) }))).rejects.toThrow(
    'a name of 1048576 bytes',
  );
  await expect(open(member('a.png', 0, { type: 'S' }))).rejects.toThrow('sparse files');
  await expect(open(member('a.txt', 0), member('a.txt', 0))).rejects.toThrow('two members .txt');
  await expect(open(member('a.txt', 0), member('a.caption', 0))).rejects.toThrow(
    'two texts, .caption being the second',
  );
  await expect(open(member('notes.md', 0))).rejects.toThrow('holds no samples');
  const large = new Uint8Array(2 ** 24 + 1);
  await expect(open(member('a.txt', large.length, { bytes: large }))).rejects.toThrow('at most 16777216 are read');
  // Names that lead elsewhere are names of samples and nothing else.
  const caption = Buffer.from('a cat');
  const png = readFileSync(join(files, 'pictures/0.png'));
  const away = [
    member('../../etc/a.png', png.length, { bytes: png }),
    member('../../etc/a.txt', 5, { bytes: caption }),
  ];
  expect((await open(...away)).id).toBe('../../etc/a');
});

test('a sample of an archive that lacks its picture or its text is bad, and takes nothing of its neighbour', async () => {
  const path = join(folder, 'lacking.tar');
  const caption = Buffer.from('a cat');
  const record = Buffer.from('{"image": "c.png", "question": "What?", "answer": "A cat."}');
  const png = readFileSync(join(files, 'pictures/0.png'));
  const members = [
    member('a.png', png.length, { bytes: png }),
    member('b.txt', caption.length, { bytes: caption }),
    member('c.json', record.length, { bytes: record }),
    member('d.png', png.length, { bytes: png }),
    member('d.txt', caption.length, { bytes: caption }),
  ];
  writeFileSync(path, Buffer.concat(members));
  // Beside the archive, where a record outside of one would find it.
  writeFileSync(join(folder, 'c.png'), png);
  await withData(path, async (data) => {
    const refused = (index: number, what: string) =>
      expect(data.read(index)).rejects.toThrow(`${path}:${'abc'[index]}: ${what}`);
    await refused(0, 'a picture without a text or a record');
    await refused(1, 'a text without a picture');
    await refused(2, 'the picture "c.png" is not among the members of the sample');
    expect((await data.read(3)).pictures).toHaveLength(1);
  });
});

test('a page that would become thousands of times as large is not decompressed', async () => {
  const path = join(files, 'bomb.parquet');
  expect(readFileSync(path).length).toBeLessThan(8192);
  const reading = withData(path, (data) => data.read(0));
  await expect(reading).rejects.toThrow(/bomb\.parquet: a page of \d+ bytes that says it becomes 33554\d+/);
});

describe('what a group of rows becomes is counted, whatever the footer says', () => {
  /** 'hub.parquet', which says that its groups, of 1632, 1970 and 546 bytes, take none: as longer numbers, in as many bytes. */
  const lying = join(folder, 'lying.parquet');
  const bytes = readFileSync(join(files, 'hub.parquet'));
  for (const [size, other] of [1632, 1970, 546].map((size) => [varint(2 * size), Buffer.from([0x80, 0])] as const)) {
    for (let at = bytes.indexOf(size); at >= 0; at = bytes.indexOf(size, at + 2)) bytes.set(other, at);
  }
  writeFileSync(lying, bytes);
  const kept = async (memory: ParquetMemory) => {
    const reader = createParquetReader(memory);
    try {
      const records = await reader.open(lying);
      expect(records.blocks?.held, 'held of groups of no size').toBe(memory.kept);
      const first = await records.read(0);
      for (const row of [3, 6]) await records.read(row);
      return (await records.read(0)).raw === first.raw;
    } finally {
      await reader.close();
    }
  };

  test('groups beyond the memory for them are dropped', async () => {
    expect(await kept({ group: 2 ** 20, kept: 2 ** 20 })).toBe(true);
    expect(await kept({ group: 2 ** 20, kept: 2000 })).toBe(false);
  });

  test('a group that becomes too much is refused', async () => {
    await expect(kept({ group: 1500, kept: 2 ** 20 })).rejects.toThrow(
      `${lying}: a group of rows that becomes more than 1500 bytes`,
    );
  });
});

/** A whole number as Parquet's footers have it (Thrift's compact protocol), of two bytes. */
function varint(value: number): Buffer {
  return Buffer.from([(value & 0x7f) | 0x80, value >> 7]);
}

describe('a damaged file gives samples or errors of the data, never another failure', () => {
  const all = async (data: Dataset) => {
    let refused = 0;
    for (let index = 0; index < data.count; index++) {
      await data.read(index).catch((error) => {
        if (!(error instanceof QuintetError)) throw error;
        refused++;
      });
    }
    return refused;
  };

  test.each(['ustar.tar', 'pax.tar', 'commas.csv'])('%s', async (name) => {
    const random = new Random(5);
    const original = readFileSync(join(files, name));
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      const bytes = Buffer.from(original);
      for (let change = random.integer(6); change >= 0; change--) {
        bytes[random.integer(bytes.length)] = random.pick([0, 0xff, 0x22, 0x37, random.integer(256)]);
      }
      const path = join(folder, `damaged-${name}`);
      writeFileSync(path, bytes.subarray(0, random.integer(3) ? bytes.length : random.integer(bytes.length)));
      refused += await withData(path, all).catch((error) => {
        expect(error, String(error)).toBeInstanceOf(QuintetError);
        return 1;
      });
    }
    expect(refused).toBeGreaterThan(10);
  });

  test('Parquet, whose bytes are changed', async () => {
    const random = new Random(7);
    const names = ['hub.parquet', 'zstd.parquet', 'gzip.parquet', 'none.parquet'];
    let refused = 0;
    for (let i = 0; i < 12; i++) {
      const bytes = readFileSync(join(files, names[i % names.length] as string));
      // The footer is at the end: half of the changes are made there.
      const from = i % 2 ? Math.floor(bytes.length * 0.7) : 0;
      for (let change = random.integer(4); change >= 0; change--) {
        bytes[from + random.integer(bytes.length - from)] = random.pick([0, 0xff, 0x80, random.integer(256)]);
      }
      const path = join(folder, `damaged-${i}.parquet`);
      writeFileSync(path, bytes.subarray(0, i % 6 === 5 ? random.integer(bytes.length) : bytes.length));
      refused += await withData(path, all, { format: 'parquet' }).catch((error) => {
        expect(error, String(error)).toBeInstanceOf(QuintetError);
        return 1;
      });
    }
    expect(refused).toBeGreaterThan(4);
  });
});
