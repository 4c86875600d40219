import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { chat } from '../../src/cli/chat.js';
import { demo } from '../../src/cli/demo.js';
import { hubServer, repository } from '../checkpoint/hub-server.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { captured, here, quintet } from './cli.js';

const fixtures = new URL('../fixtures', import.meta.url).pathname;
const model = (name: string): string => join(fixtures, name, 'model');
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const llavaAnswer = (readJson(join(fixtures, 'llava/expected.json')) as { answer_text: string }).answer_text;
const llavaQuestion = [model('llava'), join(fixtures, 'llava/media/one.png'), 'What do you see?', '--max-tokens', '16'];

/** A fixture's model in a folder of its own, with other settings. */
function changedModel(name: string, settings: Record<string, unknown>): string {
  const folder = join(temporaryFolder(), 'model');
  cpSync(model(name), folder, { recursive: true });
  const config = readJson(join(folder, 'config.json')) as Record<string, unknown>;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...settings }));
  return folder;
}

describe('chat', () => {
  test('gives the answer of the reference', async () => {
    const { code, stdout, stderr } = await quintet(['chat', ...llavaQuestion, '--stats']);
    expect(stdout).toBe(`${llavaAnswer}\n`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^first token after .* 16 tokens in .* tokens\/s/);
  });

  // In this process: a pipe between two may join pieces that were written one by one.
  test('writes the answer piece by piece', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    onTestFinished(() => write.mockRestore());
    const [source = '', ...given] = llavaQuestion.slice(0, 3);
    await chat(source, given, { maxTokens: 16 });
    const pieces = write.mock.calls.map(([piece]) => String(piece));
    expect(pieces.join('')).toBe(`${llavaAnswer}\n`);
    expect(pieces.length).toBeGreaterThan(8);
  });

  test('gives the same answer as one JSON object, by the WebAssembly engine too', async () => {
    const { stdout } = await quintet(['chat', ...llavaQuestion, '--json', '--engine', 'web']);
    const answer = JSON.parse(stdout) as { timing: { firstToken: number; total: number } };
    expect(answer).toMatchObject({ text: llavaAnswer, tokens: 16, end: 'length' });
    expect(answer.timing.total).toBeGreaterThan(answer.timing.firstToken);
  });

  test('takes its prompt from another program, and the same draws from the same seed', async () => {
    const args = ['chat', model('llama'), '--max-tokens', '12', '--temperature', '1.5', '--seed'];
    const answers = await Promise.all(
      ['1', '1', '2'].map(async (seed) => (await quintet([...args, seed], { input: 'Name a river.\n' })).stdout),
    );
    expect(answers[0]).not.toBe('\n');
    expect(answers[1]).toBe(answers[0]);
    expect(answers[2]).not.toBe(answers[0]);
  });

  test('says where a prompt may come from when there is none', async () => {
    const { code, stderr } = await quintet(['chat', model('llama')]);
    expect(stderr).toBe('error: no prompt: give one as the last argument, or on the standard input\n');
    expect(code).toBe(2);
  });

  test('ends before a stop text', async () => {
    const { stdout } = await quintet(['chat', ...llavaQuestion, '--stop', 'zzz', '--stop', llavaAnswer.slice(3, 6)]);
    expect(stdout).toBe(`${llavaAnswer.slice(0, llavaAnswer.indexOf(llavaAnswer.slice(3, 6)))}\n`);
  });

  test('answers in the form that is asked for', async () => {
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer' } },
      required: ['n'],
      additionalProperties: false,
    };
    const file = temporaryFile('schema.json', schema);
    const ask = async (...form: readonly string[]): Promise<string> =>
      (await here(['chat', model('llama'), 'Name a river.', '--temperature', '1', ...form])).stdout;
    expect(await ask('--choices', 'Rhine, Elbe')).toMatch(/^(Rhine|Elbe)\n$/);
    expect(await ask('--regex', '[a-c]{2,4}')).toMatch(/^[a-c]{2,4}\n$/);
    for (const given of [file, JSON.stringify(schema)])
      expect(JSON.parse(await ask('--json-schema', given))).toEqual({ n: expect.any(Number) });
  });

  test('says what is wrong with a form', async () => {
    const ask = (...form: readonly string[]) => here(['chat', model('llama'), 'hello', ...form]);
    const cut = ['--regex', 'a{9}', '--max-tokens', '1'];
    expect(await quintet(['chat', model('llama'), 'hello', ...cut])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The answer was cut before it had its form'),
    });
    expect(await ask('--regex', 'a', '--choices', 'b')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('one of --json-schema'),
    });
    expect(await ask('--json-schema', 'none.json')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no such schema: none.json'),
    });
    expect(await ask('--json-schema', '{"not": {}}')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot be held to "not"'),
    });
    expect(await ask('--regex', 'a(')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('at character 2: a group is not closed'),
    });
  });

  test('Ctrl-C ends the answer with what there is', async () => {
    const endless = changedModel('llama', { max_position_embeddings: 200_000, eos_token_id: null });
    const args = ['chat', endless, 'hello', '--max-tokens', '100000', '--stats'];
    let sent = false;
    const { code, stdout, stderr } = await quintet(args, {
      onOutput(_, signal) {
        if (!sent) signal('SIGINT');
        sent = true;
      },
    });
    expect(code).toBe(130);
    expect(stdout).toMatch(/\n$/);
    expect(stdout.length).toBeGreaterThan(1);
    expect(stderr).toMatch(/^first token after/);
  });
});

describe('info', () => {
  test('counts the parameters of a folder by part', async () => {
    const fixture = readJson(join(fixtures, 'llava/fixture.json')) as { parameters: number };
    const { stdout } = await here(['info', model('llava'), '--json', '--parameters']);
    const found = JSON.parse(stdout) as {
      parameters: number;
      parts: { kind: string; prefix: string; parameters: number }[];
      memory: { weights: number; cachePerToken: number };
      weights: { bytes: number; problem?: string };
      chatTemplate: string;
      shapes: Record<string, number[]>;
    };
    expect(found.parameters).toBe(fixture.parameters);
    expect(found.parts.map(({ kind, prefix }) => `${kind} ${prefix}`)).toEqual([
      'encoder vision_tower',
      'input-projector multi_modal_projector',
      'backbone language_model',
    ]);
    expect(found.parts.reduce((sum, part) => sum + part.parameters, 0)).toBe(fixture.parameters);
    expect(found.memory.weights).toBe(4 * fixture.parameters);
    expect(found.weights).toMatchObject({ bytes: 4 * fixture.parameters });
    expect(found.weights.problem).toBeUndefined();
    expect(found.chatTemplate).toContain('ASSISTANT');
    const { text_config: text } = readJson(join(model('llava'), 'config.json')) as {
      text_config: Record<string, number>;
    };
    const { num_hidden_layers: depth = 0, num_key_value_heads: kvHeads = 0 } = text;
    const headWidth = (text.hidden_size as number) / (text.num_attention_heads as number);
    expect(found.memory.cachePerToken).toBe(
      4 * 2 * depth * (kvHeads || (text.num_attention_heads as number)) * headWidth,
    );
    expect(found.shapes['language_model.lm_head.weight']).toEqual([text.vocab_size, text.hidden_size]);
  });

  test('describes a published size without weights', async () => {
    const { stdout } = await here(['info', 'llava-1.5:7b']);
    expect(stdout).toContain('arXiv:2310.03744');
    expect(stdout).toMatch(/total +7\.06B/);
    expect(stdout).toMatch(/Context +4096 tokens/);
    expect(stdout).toMatch(/align .* trains 21\.0M: multi_modal_projector\.\*\*/);
  });

  test('says of weights that do not fit what is missing', async () => {
    const { code, stdout } = await here(['info', changedModel('llama', { num_hidden_layers: 3 })]);
    expect(code).toBe(0);
    expect(stdout).toContain('missing: model.layers.2.self_attn.q_proj.weight');
  });

  test('prints the graph of a forward pass as text', async () => {
    const { stdout } = await here(['info', 'llama:tiny', '--graph']);
    expect(stdout).toMatch(/^graph llama-tiny\n/);
    expect(stdout).toMatch(/= MatMul\(%\d+, %\d+\).* f32 \[B, T, 256\]/);
    expect(stdout).toMatch(/\n {2}output logits = %\d+\n/);
  });
});

test('recipes are listed with their sizes', async () => {
  const { stdout } = await here(['recipes', '--json']);
  const found = JSON.parse(stdout) as { name: string; paper?: string; sizes: { name: string; parameters: number }[] }[];
  const llava = found.find(({ name }) => name === 'llava-1.5');
  expect(llava?.paper).toBe('arXiv:2310.03744');
  expect(llava?.sizes.map(({ name }) => name)).toContain('7b');
  const smol = found.find(({ name }) => name === 'llama')?.sizes.find(({ name }) => name === 'smollm2-135m');
  expect(smol?.parameters).toBe(134_515_008); // as its model card says
});

test('a profile of operators is written for each session', async () => {
  const file = join(temporaryFolder(), 'profile.json');
  await quintet(['chat', ...llavaQuestion, '--profile', file]);
  for (const written of [file, file.replace('.json', '-2.json')]) {
    const events = readJson(written) as { name: string }[];
    expect(events.some(({ name }) => name.includes('MatMul'))).toBe(true);
  }
});

describe('models of the hub', () => {
  const served = (folder = model('llava')) => {
    const all = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = all.map(({ parentPath, name }) => join(parentPath, name));
    return hubServer(Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)])));
  };
  const reach = (endpoint: string): void => {
    vi.stubEnv('HF_HOME', temporaryFolder());
    vi.stubEnv('HF_ENDPOINT', endpoint);
    vi.stubEnv('HF_HUB_OFFLINE', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
  };

  test.each([
    [model('stable-diffusion'), /draw someone\/tiny "a red boat" -o boat\.png$/m],
    [model('clip'), /info someone\/tiny$/m],
    [join(fixtures, 'adapters/adapters/lora'), /chat model --adapter \S+snapshots\S+$/m],
  ])('pull says what may be done with %s', async (folder, command) => {
    reach((await served(folder)).endpoint);
    const { code, stderr } = await here(['pull', repository]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Try it: /m);
    expect(stderr).toMatch(command);
  });

  test('pull brings a model into the cache, from where it answers without a network', async () => {
    const hub = await served();
    const home = temporaryFolder();
    const env = { HF_HOME: home, HF_ENDPOINT: hub.endpoint };
    const { code, stdout, stderr } = await quintet(['pull', repository], { env: { ...env, HF_HUB_OFFLINE: '0' } });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(new RegExp(`^Try it: .* chat ${repository}$`, 'm'));
    expect(stdout.startsWith(join(home, 'hub'))).toBe(true);
    expect(stderr).toMatch(/^model\.safetensors {2}\S+ kB of \S+ kB$/m);
    const [, ...question] = llavaQuestion as [string, ...string[]];
    expect((await quintet(['chat', repository, ...question], { env })).stdout).toBe(`${llavaAnswer}\n`);
  });

  test.for([
    ['pull', repository],
    ['chat', repository, 'What?'],
    ['draw', repository, 'a boat', '--output', 'none.png'],
  ])('Ctrl-C while %s downloads ends it at once, and what came is kept', async (args) => {
    const hub = await served();
    const half = (body: Buffer): Buffer => body.subarray(0, body.length / 2);
    let weights = 0;
    hub.tamper = (_, response, body) => {
      weights = half(body).length;
      // The other half never comes.
      response.writeHead(200, { 'content-length': body.length }).write(half(body));
      return true;
    };
    const home = temporaryFolder();
    const env = { HF_HOME: home, HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: '0' };
    const partial = (): number => {
      const blobs = join(home, 'hub', `models--${repository.replace('/', '--')}`, 'blobs');
      const name = existsSync(blobs) ? readdirSync(blobs).find((file) => file.endsWith('.incomplete')) : undefined;
      return name === undefined ? 0 : statSync(join(blobs, name)).size;
    };
    const { code, stdout } = await quintet(args, {
      env,
      async onStart(signal) {
        await vi.waitUntil(() => weights > 0 && partial() === weights, { timeout: 20_000 });
        signal('SIGINT');
      },
    });
    expect([code, stdout]).toEqual([130, '']);
    expect(partial()).toBe(weights);
  });

  test('info fetches nothing but the configuration', async () => {
    const hub = await served();
    reach(hub.endpoint);
    const { code, stdout, stderr } = await here(['info', repository]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/encoder +vision_tower/);
    const fetched = hub.requests.filter(({ method, path }) => method === 'GET' && path.includes('/resolve/'));
    expect(fetched.map(({ path }) => path.split('/').at(-1))).toEqual(['config.json']);
  });
});

/** A model with a picture to be shown with. */
function modelWithSample(): string {
  const folder = join(temporaryFolder(), 'model');
  cpSync(model('llava'), folder, { recursive: true });
  cpSync(join(fixtures, 'llava/media/one.png'), join(folder, 'samples/scene.png'));
  return folder;
}

test('the demonstration that Ctrl-C ends says so as other commands do, and nothing to try next', async () => {
  const interrupt = (name: string | symbol, listener: () => void): void => {
    if (name === 'SIGINT') setImmediate(listener);
  };
  process.on('newListener', interrupt);
  onTestFinished(() => void process.off('newListener', interrupt));
  const { code, stdout } = await captured(() => demo([], {}, modelWithSample()));
  expect(code).toBe(130);
  expect(stdout).toMatch(/> Describe the picture\.\n\n$/);
});

test.each([
  ['start', 'npm start --'],
  ['quintet', 'npm run quintet -- demo'],
])(
  'the demonstration by `npm run %s` shows picture, question and answer, and what to try next',
  async (script, again) => {
    vi.stubEnv('npm_lifecycle_event', script);
    onTestFinished(() => void vi.unstubAllEnvs());
    const folder = modelWithSample();
    const { stdout, stderr } = await captured(() => demo(['What do you see?'], {}, folder));
    expect(stdout).toContain('parameters, looks at ');
    // The reference's answer is cut at sixteen tokens.
    expect(stdout).toContain(`samples/scene.png\n> What do you see?\n${llavaAnswer}`);
    const steps = stdout.slice(stdout.indexOf('\nTry next:\n')).split('\n').slice(2);
    expect(steps[0]?.replaceAll(/ +/g, ' ')).toBe(
      ` ${again} photo.jpg "What is this?" another picture, another question`,
    );
    expect(steps[1]).toContain(`npm run quintet -- chat ${relative(process.cwd(), folder)} `);
    expect(stderr).toMatch(/tokens\/s after the first\n$/);
  },
);
