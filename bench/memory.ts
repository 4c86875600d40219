/**
 * Memory that a language model takes once it is loaded and ready to answer, against what the engine must hold: every weight
 * once in f32.
 *
 *     npx tsx bench/memory.ts            # the shape of SmolLM2-135M
 *     npx tsx bench/memory.ts --small    # 9 million parameters
 *
 * The models are made of arbitrary numbers in a temporary folder, and each is measured in a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveCheckpoint } from '../src/checkpoint/index.js';
import { asSystem, LanguageSession, load } from '../src/model/index.js';
import { llama } from '../src/recipes/llama.js';
import { nativeEngine } from '../src/runtime/native.js';
import { declarationsOf, parameterCount } from '../src/system/index.js';
import { byteSizeOf, type DType, fields, type HostArray, seedFor, zerosArray } from '../src/tensor/index.js';
import { ggufModel } from '../test/model/gguf-model.js';

export interface Shape {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly hidden: number;
  readonly vocab: number;
}

export const shapes = {
  smollm2: { width: 576, depth: 30, heads: 9, kvHeads: 3, hidden: 1536, vocab: 49152 },
  small: { width: 256, depth: 6, heads: 4, kvHeads: 4, hidden: 1024, vocab: 12288 },
} satisfies Record<string, Shape>;

export type Kind = 'f32' | 'f16' | 'bf16' | 'gguf-q8_0' | 'gguf-f32';
export const kinds: readonly Kind[] = ['bf16', 'f16', 'f32', 'gguf-q8_0', 'gguf-f32'];

const mib = 2 ** 20;

/** In MiB. */
export interface Memory {
  /** What every weight once in f32 takes. */
  readonly needed: number;
  /** Resident memory of the process before the model is loaded, and what loading adds to it. */
  readonly before: number;
  readonly added: number;
  /** Of what was added: pages of its own, and pages of files, which the system may drop. */
  readonly anonymous: number;
  readonly files: number;
  /** The most that the process had in between, above `before`. */
  readonly peak: number;
}

/** Makes a model of a kind and measures it in a process of its own. */
export function measure(kind: Kind, shape: Shape): Promise<Memory> {
  const folder = mkdtempSync(join(tmpdir(), 'quintet-memory-'));
  return write(kind, shape, folder)
    .then((path) => {
      const script = fileURLToPath(import.meta.url);
      const options = ['--expose-gc', '--import', 'tsx', script, '--measure', path];
      const env = { ...process.env, QUINTET_CACHE: join(folder, 'cache') };
      const run = () => execFileSync(process.execPath, options, { encoding: 'utf8', env });
      // The first process to load blocks packs them into a file; what counts is what every later one takes.
      if (kind === 'gguf-q8_0') run();
      return JSON.parse(run()) as Memory;
    })
    .finally(() => rmSync(folder, { recursive: true, force: true }));
}

/** Writes a model; returns the path by which it is loaded. */
async function write(kind: Kind, shape: Shape, folder: string): Promise<string> {
  if (kind.startsWith('gguf')) {
    const path = join(folder, 'model.gguf');
    writeFileSync(path, ggufModel({ ...shape, blocks: kind === 'gguf-q8_0' }));
    return path;
  }
  const config = configOf(shape);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const dtype = kind as DType;
  const declarations = declarationsOf(llama.fromConfig(fields(config, 'config.json')));
  const tensors = [...declarations.values()].map(({ name, shape: own }) => {
    return [name, { dtype, shape: own, read: async () => arbitrary(dtype, own, seedFor(1, name)) }] as const;
  });
  await saveCheckpoint(folder, tensors);
  return folder;
}

const configOf = ({ width, depth, heads, kvHeads, hidden, vocab }: Shape) => ({
  model_type: 'llama',
  hidden_size: width,
  num_hidden_layers: depth,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: hidden,
  vocab_size: vocab,
  max_position_embeddings: 2048,
  tie_word_embeddings: true,
});

/** Small numbers of either sign, by the bytes that hold their exponents. */
function arbitrary(dtype: DType, shape: readonly number[], seed: number): HostArray {
  const array = zerosArray(dtype, shape);
  const bytes = new Uint8Array(array.data.buffer);
  const size = byteSizeOf(dtype, [1]);
  for (let i = 0; i < bytes.length; i++) {
    const last = i % size === size - 1;
    bytes[i] = last ? (dtype === 'f16' ? 0x24 : 0x3c) | ((i & 64) << 1) : Math.imul(i + seed, 2654435761) >>> 13;
  }
  return array;
}

interface Resident {
  readonly all: number;
  readonly anonymous: number;
  readonly files: number;
  readonly peak: number;
}

async function resident(): Promise<Resident> {
  // Buffers that are no longer held are freed a little after their collection.
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const status = readFileSync('/proc/self/status', 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { all: read('VmRSS'), anonymous: read('RssAnon'), files: read('RssFile'), peak: read('VmHWM') };
}

/** Loads the model at a path and opens what it answers with. */
async function measureHere(path: string): Promise<Memory> {
  const engine = nativeEngine({ threads: 1 });
  const before = await resident();
  const model = asSystem(await load(path, { engine }));
  const session = await LanguageSession.open(model);
  const after = await resident();
  const needed = (4 * parameterCount(model.declarations.values())) / mib;
  await session.step(session.start(1, 64), { ids: [[1, 2, 3]] });
  await session.close();
  await model.close();
  return {
    needed,
    before: before.all,
    added: after.all - before.all,
    anonymous: after.anonymous - before.anonymous,
    files: after.files - before.files,
    peak: after.peak - before.all,
  };
}

async function main([flag, path]: readonly string[]): Promise<void> {
  if (flag === '--measure') return void process.stdout.write(JSON.stringify(await measureHere(path as string)));
  const shape = flag === '--small' ? shapes.small : shapes.smollm2;
  process.stdout.write('kind        needed  before   added    anon   files    peak   added / needed\n');
  for (const kind of kinds) {
    const memory = await measure(kind, shape);
    const { needed, before, added, anonymous, files, peak } = memory;
    const cells = [needed, before, added, anonymous, files, peak].map((x) => x.toFixed(0).padStart(7)).join(' ');
    process.stdout.write(`${kind.padEnd(10)} ${cells}   ${(added / needed).toFixed(2)}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
