/** Several adapters over one base: switched between, added up, and merged on the command line. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { merge } from '../../src/cli/merge.js';
import { loadPicture } from '../../src/media/index.js';
import {
  AdaptedChats,
  asSystem,
  Chat,
  combineLoras,
  type LoadedAdapter,
  load,
  type Model,
  readAdapter,
  traceNetwork,
  withAdapter,
  writeAdapter,
} from '../../src/model/index.js';
import { adaptedDeclarations } from '../../src/model/peft/read.js';
import { matches } from '../../src/nn/index.js';
import { type AdapterSettings, adapterOf, type System } from '../../src/system/index.js';
import { type HostArray, hostArray, Random, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { captured } from '../cli/cli.js';
import { blocksOf, printedBy } from '../example.js';
import { engine, expectSame, fixturePath, fixtureTensors } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';
import { givePictureAdapter, strongLora } from './pictured.js';

const folder = (kind: string): string => `${fixturePath('adapters')}/adapters/${kind}`;
const path = `${fixturePath('adapters')}/model`;

let base: Model;
beforeAll(async () => {
  base = await load(path, { engine });
});
afterAll(() => base.close());

async function logitsOf(model: Model): Promise<HostArray> {
  const { labels: _, ...given } = await fixtureTensors('adapters', 'inputs');
  return (await traceNetwork(model, given, { want: ['logits'] })).logits as HostArray;
}

const open = (kind: string): Promise<LoadedAdapter> => readAdapter(folder(kind), base.network, base.declarations);

test('adapters that are added up give what their weights say', async () => {
  const [one, other] = [await open('lora'), await open('lora-stabilised')];
  const plain = await logitsOf(withAdapter(base, one));
  const halves = combineLoras([
    { adapter: one, weight: 0.5 },
    { adapter: one, weight: 0.5 },
  ]);
  expectSame(await logitsOf(withAdapter(base, halves)), plain, 'two halves', { rtol: 1e-5, atol: 0 });
  const both = combineLoras([
    { adapter: one, weight: 1 },
    { adapter: other, weight: 1 },
  ]);
  // Their layers differ: one after the other is the same as both together.
  const nested = withAdapter(withAdapter(base, one), other);
  expectSame(await logitsOf(withAdapter(base, both)), await logitsOf(nested), 'both', { rtol: 1e-5, atol: 0 });
  const nothing = combineLoras([{ adapter: one, weight: 0 }]);
  expectSame(await logitsOf(withAdapter(base, nothing)), await logitsOf(base), 'nothing', { rtol: 1e-6, atol: 0 });
});

test('what cannot be added up is refused', async () => {
  const adapter = await open('dora');
  expect(() => combineLoras([{ adapter, weight: 1 }])).toThrow(/only LoRA on linear layers/);
});

test('answers switch between adapters, sums of them and the base, and each is what it is alone', async () => {
  const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine }));
  onTestFinished(() => model.close());
  const to = temporaryFolder();
  const folders = { poet: join(to, 'poet'), critic: join(to, 'critic') };
  const [poet, critic] = [await strongLora(model, 1, folders.poet), await strongLora(model, 2, folders.critic)];
  const chats = await AdaptedChats.open(model, folders);
  onTestFinished(() => chats.close());
  const ask = { messages: [{ role: 'user' as const, content: 'Who are you?' }], pictures: [] };
  const answer = async (chat: Chat): Promise<string> => chat.answer(ask, { maxTokens: 8 });
  const alone = async (own: Model<System>): Promise<string> => {
    const chat = await Chat.open(own);
    onTestFinished(() => chat.close());
    return answer(chat);
  };
  const sum = combineLoras([
    { adapter: poet, weight: 0.5 },
    { adapter: critic, weight: 0.25 },
  ]);
  const wanted = [
    ...[await alone(withAdapter(model, poet)), await alone(withAdapter(model, critic)), await alone(model)],
    await alone(withAdapter(model, sum)),
  ];
  expect(new Set(wanted).size).toBeGreaterThan(2);
  for (let round = 0; round < 2; round++) {
    const choices = ['poet', 'critic', undefined, { poet: 0.5, critic: 0.25 }];
    for (const [i, choice] of choices.entries()) expect(await answer(await chats.use(choice))).toBe(wanted[i]);
  }
});

const on = ['**.{q,v,down}_proj'];
const everyKind: readonly AdapterSettings[] = [
  { kind: 'lora', rank: 2, rankStabilised: true, on: ['**.{q_proj,embed_tokens}'] },
  { kind: 'dora', rank: 2, on },
  { kind: 'adalora', rank: 2, initial: 3, on },
  { kind: 'vera', rank: 3, widest: { in: 64, out: 64 }, on },
  { kind: 'loha', rank: 2, on },
  { kind: 'lokr', rank: 1, on },
  { kind: 'oft', block: 4, on: ['**.q_proj'] },
  { kind: 'hra', rank: 2, on },
  { kind: 'ia3', on },
  { kind: 'layers', on: ['**.input_layernorm'] },
  { kind: 'biases', on },
  { kind: 'bottleneck', width: 3, on: ['**.{o_proj,down_proj}'] },
  { kind: 'prompt', count: 3 },
  { kind: 'prefix', count: 3 },
  { kind: 'llama-adapter', count: 3, layers: [1] },
];

test('answers switch between adapters of every kind, which are loaded at once', async () => {
  const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine }));
  onTestFinished(() => model.close());
  const to = temporaryFolder();
  const folders: Record<string, string> = {};
  const ask = { messages: [{ role: 'user' as const, content: 'Who are you?' }], pictures: [] };
  const answer = (chat: Chat): Promise<string> => chat.answer(ask, { maxTokens: 8 });
  const wanted: Record<string, string> = {};
  for (const [i, settings] of everyKind.entries()) {
    const folder = join(to, settings.kind);
    folders[settings.kind] = folder;
    await writeAdapter(folder, { ...model, base: 'model' }, [settings], drawnValues(model, settings, i));
    const chat = await Chat.open(withAdapter(model, await readAdapter(folder, model.network, model.declarations)));
    wanted[settings.kind] = await answer(chat);
    await chat.close();
  }
  expect(new Set(Object.values(wanted)).size).toBeGreaterThan(everyKind.length / 2);
  const chats = await AdaptedChats.open(model, folders);
  onTestFinished(() => chats.close());
  const alone = await answer(await chats.use());
  for (const kind of [...chats.names, ...[...chats.names].reverse()]) {
    expect(await answer(await chats.use(kind)), kind).toBe(wanted[kind]);
  }
  expect(await answer(await chats.use())).toBe(alone);
});

/** Values of what learns with an adapter, and of what it has besides. */
function drawnValues(model: Model, settings: AdapterSettings, seed: number): ReadonlyMap<string, HostArray> {
  const adapter = adapterOf([settings]);
  const random = new Random(seed);
  const own = [...adaptedDeclarations(model.network, adapter).values()].filter(({ name }) =>
    matches(name, [...adapter.parameters, ...(adapter.frozen ?? [])]),
  );
  return new Map(
    own.map(({ name, shape }) => {
      const numbers = Array.from({ length: sizeOf(shape) }, () => random.normal());
      return [name, hostArray('f32', shape, numbers)];
    }),
  );
}

test('the example of docs/run-files.md answers by each adapter, by both and by the base', async () => {
  const source = `${fixturePath('llama')}/model`;
  const model = asSystem(await load(source, { engine }));
  onTestFinished(() => model.close());
  const to = temporaryFolder();
  const adapters = [];
  for (const [seed, name] of [[1, 'poet'] as const, [2, 'critic'] as const]) {
    adapters.push(await strongLora(model, seed, join(to, name, 'adapter')));
  }
  const [poet, critic] = adapters as [LoadedAdapter, LoadedAdapter];
  const both = combineLoras([
    { adapter: poet, weight: 0.7 },
    { adapter: critic, weight: 0.3 },
  ]);
  const said: string[] = [];
  for (const own of [withAdapter(model, poet), withAdapter(model, both), model]) {
    const chat = await Chat.open(own);
    onTestFinished(() => chat.close());
    said.push(await chat.answer({ messages: [{ role: 'user', content: 'Who are you?' }], pictures: [] }));
  }
  expect(new Set(said).size).toBe(3);
  const page = readFileSync('docs/run-files.md', 'utf8');
  const code = blocksOf(page, 'ts').find((block) => block.includes('AdaptedChats')) as string;
  const printed = printedBy(code.replace('HuggingFaceTB/SmolLM2-135M-Instruct', source).replaceAll('runs/', `${to}/`));
  expect(printed.join('\n')).toBe(said.join('\n').trim());
});

test('an unknown adapter is told with the nearest name', async () => {
  const chats = await AdaptedChats.open(base as Model<System>, { poet: folder('lora') });
  onTestFinished(() => chats.close());
  await expect(chats.use('poem')).rejects.toThrow(/there is no adapter "poem"/);
});

test('a merged model needs the adapter no more', async () => {
  const to = temporaryFolder();
  const { stdout } = await captured(() =>
    merge(path, { adapter: folder('oft'), output: join(to, 'merged'), dtype: 'f32' }),
  );
  expect(stdout).toContain('merged');
  const merged = await load(join(to, 'merged'), { engine });
  onTestFinished(() => merged.close());
  const wanted = await logitsOf(withAdapter(base, await open('oft')));
  expectSame(await logitsOf(merged), wanted, 'merged', { rtol: 1e-5, atol: 0 });
  expect(toNumbers(wanted)).not.toEqual(toNumbers(await logitsOf(base)));
});

/** The shipped model with an adapter of its own that its config.json names for pictures. */
async function pictureModel(name?: unknown): Promise<string> {
  const to = join(temporaryFolder(), 'model');
  cpSync('models/nano', to, { recursive: true });
  await givePictureAdapter(to, name);
  return to;
}

test('an adapter that belongs to pictures answers about them, and leaves conversations without any as they are', async () => {
  const folder = await pictureModel();
  const answersOf = async (source: string, adapter?: string) => {
    const model = asSystem(await load(source, { engine, ...(adapter ? { adapter } : {}) }));
    onTestFinished(() => model.close());
    const chat = await Chat.open(model);
    onTestFinished(() => chat.close());
    const text = { type: 'text' as const, text: 'How many things are there?' };
    const plain = { messages: [{ role: 'user' as const, content: [text] }], pictures: [] };
    const pictures = [await loadPicture('models/nano/samples/scene.png')];
    const seeing = { messages: [{ role: 'user' as const, content: [{ type: 'image' as const }, text] }], pictures };
    const said: string[] = [];
    for (const one of [plain, seeing, plain]) said.push(await chat.answer(one, { maxTokens: 12 }));
    return [...said, ...(await chat.answers([seeing, seeing], { maxTokens: 12 }))];
  };
  const [plain] = await answersOf('models/nano');
  const [, adapted] = await answersOf('models/nano', join(folder, 'adapter'));
  expect(adapted).not.toBe((await answersOf('models/nano'))[1]);
  expect(await answersOf(folder)).toEqual([plain, adapted, plain, adapted, adapted]);
});

test('an adapter for pictures that is not there, or elsewhere, is told', async () => {
  await expect(load(await pictureModel('other'), { engine })).rejects.toThrow(/other/);
  await expect(load(await pictureModel('../adapter'), { engine })).rejects.toThrow(/the name of a folder beside it/);
});
