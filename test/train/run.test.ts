/** Run files: what they say wrongly, and whole runs over two stages. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asSystem, Chat, load, type Model, traceNetwork } from '../../src/model/index.js';
import { llava15, nano } from '../../src/recipes/index.js';
import { lora } from '../../src/system/index.js';
import { type HostArray, QuintetError, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { readRunFile, runOf, startOf } from '../../src/train/run-file.js';
import { checkAdapted } from '../../src/train/settings/adapted.js';
import { blocksOf } from '../example.js';
import { engine, fixtureTensors } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { runFolder, stage } from './runs.js';

/** The message of the error that a run file ends in. */
async function complaint(settings: Readonly<Record<string, unknown>>): Promise<string> {
  const { file, folder } = runFolder(settings);
  const error = await runFile(file, { engine }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(QuintetError);
  return (error as Error).message.replaceAll(folder, '');
}

const align = (settings: Readonly<Record<string, unknown>>) => ({ stages: [stage({ name: 'align', ...settings })] });

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ ...align({}), modell: 'x' }, /run\.yaml: there is no field "modell"; did you mean "model"\?/],
  [{ ...align({}), output: 3 }, /run\.yaml: output: expected .*got 3/],
  [{ ...align({}), model: './bse' }, /bse/],
  [{ stages: 'align' }, /run\.yaml: stages: expected/],
  [align({ bach: 3 }), /stages\[0\]: there is no field "bach"; did you mean "batch"\?/],
  [align({ batch: 'two' }), /stages\[0\].*batch: expected a whole number from 1 on, got "two"/],
  [align({ batch: 0 }), /stages\[0\]\.batch: expected a whole number from 1 on, got 0/],
  [align({ microBatch: 0 }), /microBatch: expected/],
  [align({ steps: 0 }), /steps: expected/],
  [align({ saveEvery: 0 }), /saveEvery: expected/],
  [align({ frozen: 'int4' }), /frozen: expected one of f32, int8, nf4, blocks, got "int4"/],
  [align({ longest: 0 }), /longest: expected/],
  [align({ longest: 1 }), /no answer to learn in its first 1 of \d+ tokens/],
  [
    align({ optimizer: { lr: 1e-3, shedule: 'cosine' } }),
    /optimizer: there is no field "shedule"; did you mean "schedule"\?/,
  ],
  [align({ optimizer: { lr: 1e-3, schedule: 'cosin' } }), /schedule: .*"cosin"/],
  [align({ optimizer: { lr: -1 } }), /lr: expected a positive number, got -1/],
  [
    align({ train: ['multi_modal_projecter.**'] }),
    /train: the pattern "multi_modal_projecter\.\*\*" matches no parameter\n {2}the nearest are multi_modal_projector\./,
  ],
  [
    align({ lora: { rank: 4, on: ['language_model.**.{q,v}_prj'] } }),
    /stage align: lora\.on: the pattern "language_model\.\*\*\.\{q,v\}_prj" matches no layer\n {2}the nearest are language_model\.model\.layers\.\*\.self_attn\.q_proj, language_model\.model\.layers\.\*\.self_attn\.v_proj$/,
  ],
  [
    { stages: [{ name: 'aling', data: 'chats.jsonl', steps: 2 }] },
    /stages\[0\]\.name: the recipe has no stage "aling"; did you mean "align"\?\n {2}stages of the recipe: align, instruct; one of your own needs train, optimizer, batch too/,
  ],
  [
    { stages: [{ name: 'mine', train: ['**'], data: 'chats.jsonl', batch: 2 }] },
    /has no stage "mine"\n {2}stages of the recipe: align, instruct; one of your own needs optimizer too/,
  ],
  [
    { ...align({}), model: 'opt' },
    /opt: this is a recipe, which has no weights\n.*\n {2}To train one from nothing: a folder with config\.json \(model_type opt\)/,
  ],
  [{ ...align({}), output: './chats.jsonl' }, /chats\.jsonl: is a file, where a folder is to be written/],
  [{ ...align({}), output: './chats.jsonl/run' }, /there is no folder .*chats\.jsonl to write it to/],
  [align({ lora: { rank: 0, on: ['language_model.**.q_proj'] } }), /stages\[0\]\.lora\.rank: expected/],
  [align({ train: ['**'], frozen: 'nf4' }), /stage align: frozen: all weights learn, and none .* in nf4\n/],
  [align({ data: 'chat.jsonl' }), /chat\.jsonl/],
  [align({ pictures: 'elsewhere' }), /elsewhere: no such folder/],
  [{ stages: [stage({ name: 'align' }), stage({ name: 'align' })] }, /stages: two stages are called "align"/],
  [{ stages: [stage({ name: '../align' })] }, /name: "\.\.\/align" cannot name a stage/],
  [{ stages: [stage({ name: 'model' })] }, /name: "model" cannot name a stage/],
  [{ stages: [stage({ name: 'run.json' })] }, /name: "run\.json" cannot name a stage/],
  [{ stages: [stage({ name: 'results.1' })] }, /name: "results\.1" cannot name a stage/],
  [{ stages: [] }, /there are no stages/],
])('a run file with %j says what is wrong', async (settings, message) => {
  expect(await complaint(settings)).toMatch(message);
});

test('a run file with an alias within what it stands for is refused', async () => {
  const { file } = runFolder({});
  writeFileSync(file, 'model: &all [*all]\n');
  const error = await runFile(file, { engine }).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(/run\.yaml: .*circular/) });
});

const evaluate = { data: 'chats.jsonl' };

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ train: ['language_modl.**'] }, /stage second: train: the pattern "language_modl\.\*\*" matches no parameter/],
  [{ data: 'chat.jsonl' }, /chat\.jsonl: cannot be opened/],
  [{ pictures: 'elsewhere' }, /elsewhere: no such folder/],
  [{ objective: 'next-tokens' }, /stages\[1\]\.objective: expected one of/],
  [{ optimizer: { lr: -1 } }, /stage second: .*lr: expected a positive number, got -1/],
  [{ lora: { rank: 4, on: ['language_model.**.x_proj'] } }, /stage second: .*matches no layer/],
  [
    { optimizer: { lr: 1e-3, groups: [{ on: ['vision_tower.**'], lr: 1e-4 }] } },
    /stage second: optimizer\.groups\[0\]\.on: expected patterns of the \d+ that learn, such as language_model\..*, got vision_tower/,
  ],
  [
    { optimizer: { kind: 'muon', lr: 1e-3, rest: { lr: 1e-3, on: [] } } },
    /stage second: optimizer\.rest\.on: expected one pattern or more, got none/,
  ],
  [{ bach: 3 }, /stages\[1\]: there is no field "bach"/],
  [{ objective: 'dpo' }, /stage second: .*none of 4 samples .*chats\.jsonl:1: expected a chosen and a rejected answer/],
  [{ objective: 'dpo', data: 'pairs.jsonl', evaluate }, /stage second: evaluate: .*none of 4 .*expected a chosen/],
])('a second stage with %j is refused before the first begins', async (settings, message) => {
  const second = stage({ name: 'second', train: ['language_model.**'], ...settings });
  const { file, folder } = runFolder({ stages: [stage({ name: 'align' }), second] });
  writeFileSync(join(folder, 'pairs.jsonl'), jsonLines([{ prompt: 'What?', chosen: 'birds', rejected: 'a tree' }]));
  const begun: string[] = [];
  await expect(runFile(file, { engine, onStage: ({ name }) => begun.push(name) })).rejects.toThrow(message);
  expect(begun).toEqual([]);
  expect(existsSync(join(folder, 'out/align'))).toBe(false);
});

test.each<[Readonly<Record<string, unknown>>, string]>([
  [{ optimizer: { lr: -1 } }, 'optimizer.lr: expected'],
  [{ objective: { kind: 'dpo', loss: 'ipo', smoothing: 0.1 } }, 'dpo.smoothing: it is of the losses'],
  [{ objective: 'contrast', packing: true }, 'packing: only samples'],
  [{ objective: { kind: 'grpo', reward: './reward.mjs', answers: 1 } }, 'answers: .* at least 2'],
  [{ objective: { kind: 'grpo', reward: './reward.mjs' }, memory: '1GB' }, 'memory: answers that are drawn'],
  [{ evaluate: { data: 'chat.jsonl' } }, '/chat.jsonl: cannot be opened'],
])('what is wrong with the settings %j is told with the file and the stage', async (settings, message) => {
  const own = stage({ name: 'mine', train: ['language_model.**'], ...settings });
  const { file, folder } = runFolder({ stages: [own] });
  writeFileSync(join(folder, 'reward.mjs'), 'export default (answers) => answers.map(() => 0);\n');
  const told = await runFile(file, { engine }).catch(({ message }: Error) => message.replaceAll(folder, ''));
  expect(told).toMatch(new RegExp(`^/run\\.yaml: (stage mine|stages\\[0\\]\\.objective): ${message}`));
});

test('a batch of more samples than there are is told', async () => {
  const told: string[] = [];
  for (const batch of [4, 5]) {
    const { file, folder } = runFolder(align({ batch, steps: 2 }));
    await runFile(file, { engine, onNotice: ({ message }) => told.push(message.replaceAll(folder, '')) });
  }
  expect(told).toEqual(['/run.yaml: stage align: batch: a step of 5 has some of the 4 samples more than once']);
});

test('a trial warms up for no longer than it lasts; a run whose steps are its own says what is wrong', async () => {
  const first = stage({ name: 'align', optimizer: { lr: 1e-3, warmup: 30 }, steps: 40 });
  const { file } = runFolder({ stages: [first] });
  const rates: number[] = [];
  await runFile(file, { engine, steps: 2, onStep: (_, { rate }) => rates.push(rate) });
  expect(rates).toEqual([0, 5e-4]);
  expect(await complaint({ stages: [{ ...first, steps: 20 }] })).toMatch(
    /warmup\.steps: expected a whole number up to the 20 steps of the run, got 30\n {2}where it is the recipe's/,
  );
});

test('layers are found by name where the head is the table of words', () => {
  const check = (on: readonly string[]) => checkAdapted(nano('tiny'), { kind: 'lora', on }, lora({ rank: 1, on }));
  check(['language_model.**.{q,v}_proj']);
  const message = 'lora.on: the pattern "language_model.**.q_poj" matches no layer';
  expect(() => check(['language_model.**.q_poj'])).toThrow(message);
});

test("the page's first example takes from the recipe what it leaves out", async () => {
  const page = readFileSync(new URL('../../docs/run-files.md', import.meta.url), 'utf8');
  const { file } = runFolder({});
  writeFileSync(file, blocksOf(page, 'yaml')[0] as string);
  const own = llava15().stages;
  const { stages, model, fresh } = runOf(await readRunFile(file), file, { stages: own });
  expect([model, fresh]).toEqual([join(dirname(file), 'base'), true]);
  expect(stages[0]).toMatchObject({ name: 'align', batch: own[0]?.batch, train: own[0]?.train });
  expect(stages[1]).toMatchObject({ name: 'mine', batch: 16, train: [], adapter: { kind: 'lora', rank: 8 } });
});

test('a model that lies beside the run file is that one, wherever the program was started; other names are left alone', async () => {
  const { folder, file } = runFolder({ model: 'base' });
  expect(startOf(await readRunFile(file), file).model).toBe(join(folder, 'base'));
  const { file: other } = runFolder({ model: 'org/base' });
  expect(startOf(await readRunFile(other), other).model).toBe('org/base');
  const { file: here } = runFolder({ model: 'models/nano' });
  expect(startOf(await readRunFile(here), here).model).toBe(resolve('models/nano'));
});

test('YAML that is none is told with its line', async () => {
  const { file } = runFolder({});
  writeFileSync(file, 'model: ./base\noutput: [\nstages: }\n');
  await expect(runFile(file, { engine })).rejects.toThrow(/run\.yaml:[23]/);
});

async function logits(model: Model): Promise<HostArray> {
  const { input_ids, attention_mask, pixel_values } = await fixtureTensors('llava', 'inputs');
  const inputs = { input_ids, attention_mask, pixel_values } as Record<string, HostArray>;
  return (await traceNetwork(model, inputs, { want: ['logits'] })).logits as HostArray;
}

async function open(...args: Parameters<typeof load>): Promise<Model> {
  const model = await load(...args);
  onTestFinished(() => model.close());
  return model;
}

test('two stages give a folder that loads again, answers, and holds what was trained', async () => {
  const { folder, file } = runFolder({
    stages: [stage({ name: 'align' }), stage({ name: 'instruct', train: ['language_model.**'] })],
  });
  const stages: string[] = [];
  const result = await runFile(file, {
    engine,
    onStage: ({ name }, { samples, steps }) => stages.push(`${name} ${samples} ${steps}`),
  });
  expect(stages).toEqual(['align 4 4', 'instruct 4 4']);
  expect(result).toEqual({ stopped: false, folder: join(folder, 'out/model'), answers: true });
  for (const name of ['align', 'instruct'])
    expect(
      readFileSync(join(folder, 'out', name, 'log.jsonl'), 'utf8')
        .trim()
        .split('\n').length,
    ).toBe(4);

  const [base, trained] = [
    await open(join(folder, 'base'), { engine }),
    await open(join(folder, 'out/model'), { engine }),
  ];
  const read = async (model: Model, name: string) =>
    toNumbers(await model.weights.read(model.declarations.get(name) as never));
  const [projector, words, eye] = [
    'multi_modal_projector.linear_1.weight',
    'language_model.lm_head.weight',
    'vision_tower.vision_model.embeddings.patch_embedding.weight',
  ];
  for (const name of [projector, words]) expect(await read(trained, name), name).not.toEqual(await read(base, name));
  expect(await read(trained, eye)).toEqual(await read(base, eye));
  const chat = await Chat.open(asSystem(trained));
  expect(
    await chat.answer({ messages: [{ role: 'user', content: 'What do you see?' }], pictures: [] }, { maxTokens: 3 }),
  ).toBeTypeOf('string');
  await chat.close();
});

test('a last stage with LoRA gives an adapter over the base that equals the run with its weights merged', async () => {
  const stages = [
    stage({ name: 'align' }),
    stage({ name: 'instruct', train: [], frozen: 'int8', lora: { rank: 2, on: ['language_model.**.{q,v}_proj'] } }),
  ];
  const { folder, file } = runFolder({ stages });
  const { folder: adapter } = await runFile(file, { engine });
  expect(adapter).toBe(join(folder, 'out/adapter'));
  expect(existsSync(join(folder, 'out/model'))).toBe(false);
  const base = await logits(await open(join(folder, 'base'), { engine }));
  const adapted = await logits(await open(join(folder, 'base'), { engine, adapter: adapter as string }));
  expect(toNumbers(adapted)).not.toEqual(toNumbers(base));
});

test('a signal ends a run with a checkpoint, from which it goes on to the same end', async () => {
  const stages = [stage({ name: 'align', steps: 6, saveEvery: 100 })];
  const [whole, halved] = [runFolder({ stages }), runFolder({ stages })];
  await runFile(whole.file, { engine });
  const controller = new AbortController();
  const stopped = await runFile(halved.file, {
    engine,
    signal: controller.signal,
    onStep: (_, { step }) => step === 3 && controller.abort(),
  });
  expect(stopped).toEqual({ stopped: true });
  await runFile(halved.file, { engine });
  const [one, other] = [whole, halved].map(({ folder }) => readFileSync(join(folder, 'out/model/model.safetensors')));
  expect(one?.equals(other as Buffer)).toBe(true);
});

test('a picture that is missing is told with its path', async () => {
  const { folder, file } = runFolder({ stages: [stage({ name: 'align', batch: 2 })] });
  const lines = readFileSync(join(folder, 'chats.jsonl'), 'utf8').replace('grey.png', 'gone.png');
  writeFileSync(join(folder, 'chats.jsonl'), lines);
  const notices: QuintetError[] = [];
  const running = runFile(file, { engine, onNotice: (error) => notices.push(error) });
  await expect(running).rejects.toThrow(/chats\.jsonl: 1 of 4 samples cannot be used.*gone\.png: no such picture/s);
  expect(notices.map(({ message }) => message)).toEqual([expect.stringMatching(/gone\.png/)]);
});
