/** The commands that make something: pictures, trained models. */
import { exec, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/index.js';
import { loadPicture } from '../../src/media/index.js';
import { quintetCommand } from '../command.js';
import { temporaryFolder } from '../temporary.js';
import { here, quintet } from './cli.js';

const fixtures = new URL('../fixtures', import.meta.url).pathname;
const model = (name: string): string => join(fixtures, name, 'model');

describe('draw', () => {
  const drawn = async (name: string) => {
    const file = join(temporaryFolder(), name);
    const { code, stderr } = await here(['draw', model('janus'), 'Draw a picture of the moon.', '-o', file]);
    expect(code, stderr).toBe(0);
    return { picture: await loadPicture(file), begin: readFileSync(file).subarray(0, 12).toString('latin1') };
  };

  test('writes the picture that the model draws, in the format that the name of the file ends with', async () => {
    const png = await drawn('moon.png');
    expect([png.picture.width, png.picture.height]).toEqual([6, 6]);
    expect(new Set(png.picture.data).size).toBeGreaterThan(10);
    expect(png.begin).toMatch(/^\x89PNG/);
    const webp = await drawn('moon.webp');
    expect(webp.begin).toMatch(/^RIFF....WEBP$/s);
    expect(webp.picture).toEqual(png.picture);
    const jpeg = await drawn('moon.JPG');
    expect(jpeg.begin).toMatch(/^\xff\xd8/);
    const errors = jpeg.picture.data.map((value, i) => Math.abs(value - (png.picture.data[i] as number)));
    expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(6);
  });
});

test('a diffusion model paints in the size that is asked for', async () => {
  const sized = async (...size: string[]) => {
    const file = join(temporaryFolder(), 'sea.png');
    const result = await here(['draw', model('stable-diffusion'), 'the sea', '-o', file, '--steps', '1', ...size]);
    return { ...result, file };
  };
  const painted = async (...size: string[]) => {
    const { code, stderr, file } = await sized(...size);
    expect(code, stderr).toBe(0);
    const { width, height } = await loadPicture(file);
    return [width, height];
  };
  expect(await painted('--width', '24', '--height', '10')).toEqual([24, 10]);
  expect(await painted('--width', '12')).toEqual([12, 12]);
  expect((await sized('--height', '15')).stderr).toContain('a picture of 15 pixels; multiples of 2 are possible');
});

describe('train', () => {
  const samples = ['red', 'green', 'blue', 'big', 'small'].map((word) => ({
    messages: [
      { role: 'user', content: 'say it' },
      { role: 'assistant', content: `it is ${word}` },
    ],
  }));

  function runFolder(): { readonly run: string; readonly trained: (output: string) => string } {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data/chats.jsonl'), samples.map((sample) => JSON.stringify(sample)).join('\n'));
    const run = join(folder, 'run.yaml');
    const stage = `{ name: all, train: ['**'], data: data/chats.jsonl, batch: 2, steps: 150, optimizer: { lr: 1.0e-3 } }`;
    writeFileSync(run, `model: ${model('llama')}\noutput: once\nseed: 3\nstages:\n  - ${stage}\n`);
    return { run, trained: (output) => join(folder, output, 'model/model.safetensors') };
  }

  test('a run that Ctrl-C stopped goes on to the very weights of one that was not stopped', {
    timeout: 180_000,
  }, async () => {
    const { run, trained } = runFolder();
    const twice = join(run, '../twice');
    let sent = false;
    const first = await quintet(['train', run, '--output', twice], {
      onError(text, signal) {
        if (!sent && /all {2}\d+\/150/.test(text)) {
          sent = true;
          signal('SIGINT');
        }
      },
    });
    expect(first.stdout).toMatch(/^Stopped after step \d+ of 150/);
    expect(first.code).toBe(130);
    expect(existsSync(trained('twice'))).toBe(false);
    const [second, once] = [await quintet(['train', run, '--output', twice]), await quintet(['train', run])];
    expect([second.code, once.code]).toEqual([0, 0]);
    expect(once.stderr).toMatch(
      /all {2}150\/150 {2}loss \d+\.\d{4} {2}done {2}\S+ tokens\/s {2}rate \S+ {2}waiting \d+ % {2}\S+ MB, at most \S+ MB/,
    );
    expect(readFileSync(trained('twice')).equals(readFileSync(trained('once')))).toBe(true);
  });

  test('--json tells every step, evaluation and the end as a line, of which `report` makes a page', async () => {
    const { run, trained } = runFolder();
    writeFileSync(run, `${readFileSync(run, 'utf8')}evaluate: { data: data/chats.jsonl, every: 2 }\n`);
    const { stdout, stderr } = await quintet(['train', run, '--steps', '3', '--json']);
    expect(stderr).toBe('');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ event, step }) => [event, step])).toEqual([
      ...[
        ['stage', undefined],
        ['evaluation', 0],
        ['estimate', undefined],
        ['estimate', undefined],
        ['step', 1],
        ['step', 2],
        ['evaluation', 2],
      ],
      ...[
        ['step', 3],
        ['evaluation', 3],
        ['estimate', undefined],
        ['end', 3],
      ],
    ]);
    const [step] = lines.filter(({ event }) => event === 'step');
    for (const name of ['loss', 'rate', 'tokens', 'time', 'waited', 'memory', 'peakMemory']) {
      expect(step?.[name], name).toBeTypeOf('number');
    }
    expect(lines.at(-2)).toMatchObject({
      estimated: { memory: expect.any(Number), time: expect.any(Number) },
      was: { memory: expect.any(Number), time: expect.any(Number) },
    });
    expect(lines.at(-1)).toMatchObject({ stopped: false, folder: join(trained('once'), '..') });

    const { stdout: path } = await here(['report', run]);
    expect(path).toBe(`${join(run, '../once/report.html')}\n`);
    const page = readFileSync(path.trim(), 'utf8');
    expect(page).toContain('<title>once</title>');
    expect(page).toMatch(/<th>estimated<\/th><td>[\d.]+ MB and [\d.]+ s<\/td>/);
    expect(page).toMatch(/<th>was<\/th><td>[\d.]+ MB and [\d.]+ s<\/td>/);
  });

  test('a run whose events nobody reads any more goes on to its end', async () => {
    const { run, trained } = runFolder();
    const [program, ...before] = quintetCommand;
    const child = spawn(program, [...before, 'train', run, '--steps', '3', '--json']);
    child.stdout.once('data', () => child.stdout.destroy());
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(stderr).toMatch(/^standard output: nobody reads it any more\n {2}The run goes on .*\n$/);
    expect(code).toBe(0);
    expect(existsSync(trained('once'))).toBe(true);
  });

  test('--steps runs every stage for so many', async () => {
    const { run, trained } = runFolder();
    const { stdout } = await quintet(['train', run, '--steps', '2']);
    expect(stdout).toMatch(/^Trained in .* after step 2 of 2, loss \d/);
    const checkpoint = await openCheckpoint(trained('once'));
    expect(checkpoint.tensors.has('model.embed_tokens.weight')).toBe(true);
    await checkpoint.close();
  });

  test('what it says to try runs as it stands there, with an adapter too', async () => {
    const { run } = runFolder();
    writeFileSync(run, readFileSync(run, 'utf8').replace("train: ['**']", "lora: { rank: 2, on: ['**.q_proj'] }"));
    const { stdout } = await quintet(['train', run, '--steps', '1']);
    const command = /^Try it: ((?:npx tsx|node) \S+main\.[jt]s chat .* --adapter .*)$/m.exec(stdout)?.[1];
    expect(command, stdout).toBeDefined();
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const said = await promisify(exec)(`${command} "say it" --max-tokens 3 --json`, { cwd: root });
    expect(JSON.parse(said.stdout)).toMatchObject({ tokens: 3, end: 'length' });
  });
});
