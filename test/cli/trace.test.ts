/**
 * `quintet trace` over every fixture: what the command writes equals what the reference implementations gave, with nothing
 * but the files of the fixture. `test/fixtures/README.md` says how they are compared.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTensors } from '../../src/checkpoint/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { expectClose } from '../graph/close.js';
import { temporaryFolder } from '../temporary.js';
import { here } from './cli.js';

type Arrays = Readonly<Record<string, HostArray>>;
type Json = Readonly<Record<string, unknown>>;

const fixtures = new URL('../fixtures', import.meta.url).pathname;
const at = (name: string, file: string): string => join(fixtures, name, file);

const magnitude = (array: HostArray): number => toNumbers(array).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
const isGradient = (name: string): boolean => name.startsWith('grad/');

/** Expected numbers, those at padded places as NaN: they do not count. */
function present(name: string, wanted: HostArray, mask: HostArray | undefined) {
  const data = toNumbers(wanted);
  const [rows, length, width = 1] = wanted.shape;
  const isOfTokens = /^(logits|(encoder_)?last_hidden)$/.test(name);
  if (mask && isOfTokens && mask.shape[0] === rows && mask.shape[1] === length) {
    for (const [i, real] of toNumbers(mask).entries()) if (!real) data.fill(Number.NaN, i * width, (i + 1) * width);
  }
  return { shape: [...wanted.shape], data };
}

/** What is told of a tensor's error: relative to its largest magnitude, gradients not below the noise of the largest one. */
function toleranceOf(name: string, largestGradient: number) {
  if (isGradient(name)) return { rtol: 1e-3, atol: 1e-6 * largestGradient };
  if (/sequences|input_ids|tokens|indices/.test(name)) return { rtol: 0, atol: 0 };
  return name === 'processed/pixel_values' ? { rtol: 0, atol: 1e-6 } : { rtol: 1e-4, atol: 0 };
}

function expectTensors(found: Arrays, expected: Arrays, mask: HostArray | undefined): void {
  const largest = Math.max(0, ...Object.entries(expected).map(([name, x]) => (isGradient(name) ? magnitude(x) : 0)));
  for (const [name, wanted] of Object.entries(expected)) {
    const array = found[name];
    if (!array) throw new Error(`no ${name} among ${Object.keys(found).join(', ')}`);
    expectClose(array, present(name, wanted, mask), name, toleranceOf(name, largest));
  }
  for (const [name, array] of Object.entries(found)) {
    if (isGradient(name) && !expected[name]) expect(magnitude(array), `${name}, which the loss does not reach`).toBe(0);
  }
}

const processed = (name: string): boolean => name.startsWith('processed/');
const only = (arrays: Arrays, keep: (name: string) => boolean): Arrays =>
  Object.fromEntries(Object.entries(arrays).filter(([name]) => keep(name)));

/** As many tokens as the reference generated, where it did. */
function generated(name: string, { sequences }: Arrays): string[] {
  if (!sequences) return [];
  const { generate } = JSON.parse(readFileSync(at(name, 'fixture.json'), 'utf8')) as { generate: Json };
  return ['--generate', String(generate.max_new_tokens)];
}

/** Runs the command in this process, and expects it to succeed. */
async function command(args: readonly string[]): Promise<void> {
  const { code, stderr } = await here(args);
  expect(code, stderr).toBe(0);
}

const names = readdirSync(fixtures).filter((name) => existsSync(at(name, 'expected.safetensors')));
const families = /^(bert|blip2|clip|flan-t5|gill|idefics3|janus|llama|llava|opt|siglip|smolvlm|t5)/;

describe.each(names.filter((name) => families.test(name)))('%s', (name) => {
  const model = at(name, 'model');

  test('outputs, gradients and greedy continuation of given tensors equal the reference', async () => {
    const outputs = join(temporaryFolder(), 'out.safetensors');
    const inputs = at(name, 'inputs.safetensors');
    const [given, expected] = await Promise.all([readTensors(inputs), readTensors(at(name, 'expected.safetensors'))]);
    const wanted = only(expected, (key) => !processed(key));
    const gradients = Object.keys(wanted).some(isGradient) ? ['--gradients', '**'] : [];
    await command(['trace', model, '--inputs', inputs, '--outputs', outputs, ...gradients, ...generated(name, wanted)]);
    expectTensors(await readTensors(outputs), wanted, given.attention_mask);
  });

  test.each(['2', '3'].filter((set) => existsSync(at(name, `inputs${set}.safetensors`))))(
    'so do those of its set %s',
    async (set) => {
      const outputs = join(temporaryFolder(), 'out.safetensors');
      const inputs = at(name, `inputs${set}.safetensors`);
      const [given, expected] = [await readTensors(inputs), await readTensors(at(name, `expected${set}.safetensors`))];
      const wanted = only(expected, (key) => !processed(key));
      await command(['trace', model, '--inputs', inputs, '--outputs', outputs, ...generated(name, wanted)]);
      expectTensors(await readTensors(outputs), wanted, given.attention_mask);
    },
  );

  test.each(['', '2'].filter((set) => existsSync(at(name, `messages${set}.json`))))(
    'messages%s.json become the same tensors, outputs and continuation',
    async (set) => {
      const outputs = join(temporaryFolder(), 'out.safetensors');
      const expected = await readTensors(at(name, `expected${set}.safetensors`));
      // Messages say nothing of what an encoder-decoder has written so far.
      const written = expected.encoder_last_hidden ? ['logits', 'last_hidden'] : [];
      const wanted = only(expected, (key) => !isGradient(key) && key !== 'loss' && !written.includes(key));
      const given = await readTensors(at(name, `inputs${set}.safetensors`));
      const messages = at(name, `messages${set}.json`);
      await command(['trace', model, '--messages', messages, '--outputs', outputs, ...generated(name, wanted)]);
      expectTensors(await readTensors(outputs), wanted, given.attention_mask);
    },
  );
});

test.each(['clip', 'siglip'])(
  'texts and pictures of messages become the tensors of the processor of %s',
  async (name) => {
    const folder = temporaryFolder();
    const [messages, outputs] = [join(folder, 'messages.json'), join(folder, 'out.safetensors')];
    const texts = JSON.parse(readFileSync(at(name, 'texts.json'), 'utf8')) as string[];
    // Without the JPEG, whose decoders differ by a level.
    const pictures = ['wide', 'alpha', 'grey'].map((stem) => ({ type: 'image', path: at(name, `media/${stem}.png`) }));
    const content = [...texts.map((text) => ({ type: 'text', text })), ...pictures];
    writeFileSync(messages, JSON.stringify([{ role: 'user', content }]));
    await command([
      'trace',
      at(name, 'model'),
      '--messages',
      messages,
      '--outputs',
      outputs,
      '--want',
      'processed/input_ids,processed/pixel_values',
    ]);
    const [found, expected] = [await readTensors(outputs), await readTensors(at(name, 'expected.safetensors'))];
    expect(toNumbers(found['processed/input_ids'] as HostArray)).toEqual(
      toNumbers(expected['processed/input_ids'] as HostArray),
    );
    const [pixels, wanted] = [found, expected].map((arrays) =>
      toNumbers(arrays['processed/pixel_values'] as HostArray),
    );
    for (const [i, x] of (pixels as number[]).entries())
      expect(Math.abs(x - (wanted as number[])[i]!)).toBeLessThan(1e-6);
  },
);

test('what was made of messages is taken as inputs again', async () => {
  const folder = temporaryFolder();
  const [first, again] = ['first', 'again'].map((name) => join(folder, `${name}.safetensors`)) as [string, string];
  const from = (...given: string[]) => command(['trace', at('llava', 'model'), ...given]);
  await from('--messages', at('llava', 'messages.json'), '--outputs', first);
  await from('--inputs', first, '--outputs', again);
  const [found, expected] = [await readTensors(again), await readTensors(first)];
  expect(found).toEqual(only(expected, (key) => !processed(key)));
});
