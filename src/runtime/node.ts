/**
 * What the engines need of Node: the native one, and files for the web one. The field `browser` of package.json keeps
 * this file out of what is bundled for browsers.
 */
import { open, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { QuintetError } from '../tensor/index.js';
import type { Engine } from './engine.js';
import { webEngine } from './web.js';

export { nativeEngine } from './native.js';

/** The web engine inside Node, whose weights may lie in files. */
export async function webEngineInNode(): Promise<Engine> {
  const wasm = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
  return webEngine({ wasm: await readFile(wasm), readRange });
}

/** A range of a file's bytes. Throws where the file ends before it. */
async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path).catch((cause) => {
    throw new QuintetError('not-found', 'the file of these weights cannot be read', { at: path, cause });
  });
  try {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      // One read of the system gives at most 2 GiB.
      const size = Math.min(length - done, 1 << 30);
      const { bytesRead } = await file.read(bytes, done, size, offset + done);
      if (bytesRead === 0) throw new QuintetError('format', 'the file ends within a weight', { at: path });
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
