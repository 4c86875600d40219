/** Which engine runs. */
import { build } from 'esbuild';
import { expect, test, vi } from 'vitest';
import type { OnnxModel } from '../../src/onnx/index.js';
import { defaultEngine, type EngineOptions } from '../../src/runtime/index.js';
import { webEngine } from '../../src/runtime/web.js';
import { moduleUrl, printedByText } from '../command.js';

test('the native one, without a word', async () => {
  const onNotice = vi.fn();
  const engine = await defaultEngine({ onNotice });
  expect(engine.name).toBe('native');
  expect(engine.description).toMatch(/^ONNX Runtime 1\.\d+\.\d+, .*onnxruntime/);
  expect(onNotice).not.toHaveBeenCalled();
});

test('the one that is asked for', async () => {
  expect((await defaultEngine({ engine: 'web' })).name).toBe('web');
  await expect(defaultEngine({ library: '/nowhere/libonnxruntime.so' })).rejects.toMatchObject({
    code: 'engine',
    at: '/nowhere/libonnxruntime.so',
  });
});

test('the web one where the native library does not load, and a notice says why', () => {
  const program = `import koffi from 'koffi';
koffi.load = () => { throw new Error('no such file'); };
const { defaultEngine } = await import(${JSON.stringify(moduleUrl('runtime/index'))});
const notices = [];
const { name } = await defaultEngine({ onNotice: (notice) => notices.push(notice) });
const refusal = await defaultEngine({ engine: 'native' }).catch(({ message }) => message);
console.log(JSON.stringify({ name, notices, refusal }));`;
  expect(JSON.parse(printedByText(program))).toEqual({
    name: 'web',
    notices: [
      expect.stringMatching(
        /: ONNX Runtime could not be loaded: no such file\nThe slower web engine runs instead, on one thread\.$/,
      ),
    ],
    refusal: expect.stringMatching(/: ONNX Runtime could not be loaded: no such file$/),
  });
});

test('more threads than any machine has use for are refused, and options that there are not', async () => {
  for (const threads of [0, 1.5, 100_000]) {
    const message = `threads: expected a whole number from 1 to 512, got ${threads}`;
    await expect(defaultEngine({ threads })).rejects.toThrow(message);
    await expect((await defaultEngine()).createSession({} as OnnxModel, { threads })).rejects.toThrow(message);
  }
  await expect(defaultEngine({ thraeds: 2 } as object)).rejects.toThrow('no option "thraeds"; did you mean "threads"?');
});

test('the web one has several threads only where it is told with which script they begin', () => {
  expect(() => webEngine({ threads: 2 })).toThrow(expect.objectContaining({ code: 'unsupported' }));
});

test('a bundle for browsers holds nothing of the native engine', async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: ['src/runtime/index.ts'],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain('src/runtime/web.ts');
  expect(inputs.filter((path) => /koffi|runtime\/native/.test(path))).toEqual([]);
  expect(outputFiles[0]?.text).not.toContain('koffi');
});

test('the web engine takes no settings that it would pass over', async () => {
  const asked = (options: EngineOptions) => expect(defaultEngine({ engine: 'web', ...options })).rejects;
  await asked({ threads: 2 }).toThrow('the web engine has one thread in Node, got 2');
  await asked({ library: 'mine.so' }).toThrow('the web engine takes no library, got mine.so');
  expect((await defaultEngine({ engine: 'web', threads: 1 })).name).toBe('web');
});
