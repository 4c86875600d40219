/** Weights of four bits in bitsandbytes' form: what they stand for, and files that say what is not so. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  bytesSource,
  openCheckpoint,
  openMemoryFolder,
  openSafetensors,
  readTensors,
  saveCheckpoint,
} from '../../src/checkpoint/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

const folder = `${fixturePath('train-qlora')}/model-nf4`;
const weight = 'model.layers.0.mlp.up_proj.weight';
const state = `${weight}.quant_state.bitsandbytes__nf4`;
const [rows, width] = [233, 72];

type Pieces = Record<string, HostArray>;

/** The pieces of one weight as they are in the file. */
async function pieces(): Promise<Pieces> {
  const file = await openSafetensors(bytesSource(readFileSync(join(folder, 'model.safetensors')), 'model'));
  const names = [...file.tensors.keys()].filter((name) => name.startsWith(weight));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await file.read(name)] as const)));
}

const text = (value: object | string): HostArray => {
  const bytes = new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
  return hostArray('u8', [bytes.length], bytes);
};
const stateIn = (own: Pieces): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode((own[state] as HostArray).data as Uint8Array));

async function written(own: Pieces): Promise<string> {
  const made = temporaryFolder();
  await saveCheckpoint(made, new Map(Object.entries(own)));
  return made;
}

test('a weight is read as the numbers that its codes, its magnitudes and their scales stand for', async () => {
  const own = await pieces();
  const numbers = (piece: string): number[] => toNumbers(own[`${weight}${piece}`] as HostArray);
  const [codes, map, magnitudes] = [numbers(''), numbers('.quant_map'), numbers('.absmax')];
  const [nested, steps] = [numbers('.nested_absmax'), numbers('.nested_quant_map')];
  const offset = stateIn(own).nested_offset as number;
  const [read] = Object.values(await readTensors(await written(own))) as [HostArray];
  expect(read.shape).toEqual([rows, width]);
  // Blocks of 64 lie across the rows of 72, and the last one is no whole block.
  for (const i of [0, 1, 63, 64, 71, 72, 5000, 16384, rows * width - 1]) {
    const byte = codes[i >> 1] as number;
    const block = Math.floor(i / 64);
    const largest = (steps[magnitudes[block] as number] as number) * (nested[block >> 8] as number) + offset;
    expect(read.data[i]).toBeCloseTo((map[i % 2 ? byte % 16 : byte >> 4] as number) * largest, 6);
  }
});

test('a folder in memory is read as one on the disk', async () => {
  const files = ['config.json', 'model.safetensors'].map((name) => [name, readFileSync(join(folder, name))] as const);
  const { checkpoint } = await openMemoryFolder(new Map(files), 'memory');
  const { [weight]: wanted } = await readTensors(folder);
  expect((await checkpoint.read(weight)).data).toEqual(wanted?.data);
});

test('what belongs to a weight is no tensor of its own', async () => {
  const file = await openCheckpoint(folder);
  const names = [...file.tensors.keys()];
  expect(names.filter((name) => /absmax|quant/.test(name))).toEqual([]);
  expect(names).toContain(weight);
  await file.close();
});

const lies: Record<string, (own: Pieces) => void> = {
  'another shape': (own) => {
    own[state] = text({ ...stateIn(own), shape: [rows, width + 2] });
  },
  'a shape of nothing': (own) => {
    own[state] = text({ ...stateIn(own), shape: [0, width] });
  },
  'a shape without end': (own) => {
    own[state] = text({ ...stateIn(own), shape: [2 ** 30, 2 ** 30] });
  },
  'another block': (own) => {
    own[state] = text({ ...stateIn(own), blocksize: 128 });
  },
  'no block': (own) => {
    own[state] = text({ ...stateIn(own), blocksize: 0 });
  },
  'another outer block': (own) => {
    own[state] = text({ ...stateIn(own), nested_blocksize: 64 });
  },
  'no offset': (own) => {
    own[state] = text({ ...stateIn(own), nested_offset: undefined });
  },
  'no JSON': (own) => {
    own[state] = text('{"shape": [');
  },
  'no magnitudes': (own) => {
    delete own[`${weight}.absmax`];
  },
  'no table': (own) => {
    delete own[`${weight}.quant_map`];
  },
  'a table too short': (own) => {
    own[`${weight}.quant_map`] = hostArray('f32', [4], [-1, 0, 0.5, 1]);
  },
  'no codes': (own) => {
    delete own[weight];
  },
};

test.each(Object.entries(lies))('a file with %s is refused', async (_, tell) => {
  const own = await pieces();
  tell(own);
  const made = await written(own);
  await expect(openCheckpoint(made)).rejects.toMatchObject({ name: 'QuintetError' });
});
