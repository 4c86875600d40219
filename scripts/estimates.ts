/**
 * What stages are expected to take beside what they took, each in a process of its own:
 *
 *     npm run estimates -- [NAME...]      # default: all of them
 *
 * The LoRA runs need the model that `bench/make_models.py` writes, nano its data (`scripts/nano/make-data.ts`).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { models } from '../bench/harness/paths.js';
import { formatBytes, formatDuration, formatTable } from '../src/cli/format.js';
import { adamw, asSystem, defaultEngine, load, lora, nextToken } from '../src/index.js';
import { initialise, layeredWeights, rewardModel, saveModel } from '../src/model/index.js';
import { gpt2 } from '../src/parts/backbones/gpt2.js';
import { slot, system } from '../src/system/index.js';
import { hostArray } from '../src/tensor/index.js';
import { type Estimate, runFile, type TrainOptions, train } from '../src/train/index.js';

/** An estimate, and the most memory that the process ever had. */
interface Measured extends Estimate {
  readonly peak: number;
}

const meters = { clock: () => performance.now(), memory: () => process.memoryUsage.rss() };
const steps = 5;

type Told = (estimate: Estimate) => void;
type Form = Pick<TrainOptions, 'recompute' | 'frozen'>;

function texts(rows: number, tokens: number, vocab: number): TrainOptions['data'] {
  const ids = Array.from({ length: rows * tokens }, (_, i) => (i * 7919) % vocab);
  const array = (values: readonly number[]) => hostArray('i64', [rows, tokens], values);
  const batch = { input_ids: array(ids), attention_mask: array(ids.map(() => 1)), labels: array(ids) };
  return { fields: Object.keys(batch), accumulates: false, rows, take: async () => [batch] };
}

/** LoRA of rank 8 on queries and values of SmolLM2-135M, rows of 128 tokens. */
const adapting = (rows: number, form: Form) => async (onEstimate: Told) => {
  const model = asSystem(await load(models.f32Folder, { engine: await defaultEngine({ threads: 2 }) }));
  const { adapt, parameters } = lora({ rank: 8, alpha: 16, on: ['**.{q,v}_proj'] });
  await train(
    { ...model, adapt, weights: layeredWeights(model.weights, new Map(), 1) },
    {
      ...{ objective: nextToken(), train: parameters, optimizer: adamw({ lr: 1e-4 }), steps, onEstimate },
      ...{ data: texts(rows, 128, 49152), ...form, ...meters },
    },
  );
};

/** All of 13.8 million weights of a GPT, 8 rows of 128 tokens. */
const whole = (form: Form) => async (onEstimate: Told) => {
  const backbone = gpt2({ width: 384, depth: 6, heads: 6, vocab: 8192, context: 128 });
  const network = system({ name: 'gpt', backbone: slot(backbone, { prefix: '' }) });
  const model = await initialise(network, { seed: 1, engine: { threads: 2 } });
  await train(model, {
    ...{ objective: nextToken(), train: ['**'], optimizer: adamw({ lr: 1e-4 }), steps, onEstimate },
    ...{ data: texts(8, 128, 8192), ...form, ...meters },
  });
};

/** In a folder that is gone afterwards. */
async function within(action: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'quintet-estimates-'));
  try {
    await action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runOf(file: string, output: string, onEstimate: Told): Promise<void> {
  const engine = { threads: 2 };
  await runFile(file, { ...meters, output, steps, engine, onEstimate: (_, told) => onEstimate(told) });
}

/** The stages of nano, one after another. */
const nano = (onEstimate: Told): Promise<void> =>
  within((folder) => runOf(fileURLToPath(new URL('../models/nano/train.yaml', import.meta.url)), folder, onEstimate));

const byLength = 'export default (answers) => answers.map(({ answer }) => answer.length);\n';

/** The same LoRA, by answers that it draws itself: 4 to each of 2 prompts, rewarded by their length or by a model as large. */
const drawing = (isRated: boolean) => (onEstimate: Told) =>
  within(async (folder) => {
    const reward = join(folder, isRated ? 'rater' : 'reward.mjs');
    if (isRated) await writeRater(reward);
    else writeFileSync(reward, byLength);
    const objective = { kind: 'grpo', reward, answers: 4, maxTokens: 64 };
    const stage = {
      name: 'draw',
      data: 'prompts.jsonl',
      lora: { rank: 8, on: ['**.{q,v}_proj'] },
      objective,
      batch: 2,
    };
    const prompts = ['Tell me about the sea.', 'What do birds eat in winter, and where do they find it?'];
    writeFileSync(join(folder, 'prompts.jsonl'), prompts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(''));
    const optimizer = { lr: 1e-4 };
    writeFileSync(
      join(folder, 'run.yaml'),
      JSON.stringify({ model: models.f32Folder, output: 'out', stages: [{ ...stage, steps, optimizer }] }),
    );
    await runOf(join(folder, 'run.yaml'), join(folder, 'out'), onEstimate);
  });

async function writeRater(folder: string): Promise<void> {
  const model = asSystem(await load(models.f32Folder));
  await saveModel(rewardModel(model), folder);
  await model.close();
}

const runs: Readonly<Record<string, (onEstimate: Told) => Promise<void>>> = {
  lora: adapting(2, {}),
  'lora-recomputed': adapting(2, { recompute: true }),
  'lora-int8': adapting(2, { frozen: 'int8' }),
  'lora-nf4-recomputed': adapting(2, { frozen: 'nf4', recompute: true }),
  gpt: whole({}),
  'gpt-recomputed': whole({ recompute: true }),
  grpo: drawing(false),
  'grpo-rated': drawing(true),
  nano,
};

async function measure(run: (onEstimate: Told) => Promise<void>): Promise<void> {
  const ends: Estimate[] = [];
  await run((estimate) => {
    if (estimate.was) ends.push(estimate);
  });
  const peak = 1024 * process.resourceUsage().maxRSS;
  console.log(JSON.stringify(ends.map((estimate): Measured => ({ ...estimate, peak }))));
}

function rowsOf(name: string): string[][] {
  const command = ['--import', 'tsx', fileURLToPath(import.meta.url), '--in-this-process', name];
  const { stdout, stderr, status } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return (JSON.parse(stdout) as Measured[]).map(({ estimated, was, peak }, i, all) => {
    const ratio = (a = 0, b = 0): string => `${(100 * (a / b - 1)).toFixed(0)} %`;
    return [
      all.length > 1 ? `${name} ${i + 1}` : name,
      ...[estimated.memory, was?.memory ?? 0, peak].map(formatBytes),
      ratio(estimated.memory, was?.memory),
      ...[estimated.time ?? 0, was?.time ?? 0].map(formatDuration),
      ratio(estimated.time, was?.time),
    ];
  });
}

const [first, only] = process.argv.slice(2);
const asked = process.argv.slice(2);
const unknown = asked.find((name) => name !== '--in-this-process' && !runs[name]);
if (unknown) throw new Error(`no run is called ${unknown}; there are ${Object.keys(runs).join(', ')}`);
if (first === '--in-this-process') await measure(runs[only as string] as (typeof runs)[string]);
else {
  const head = ['run', 'memory expected', 'was', 'peak', 'error', 'time expected', 'was', 'error'];
  const names = asked.length > 0 ? asked : Object.keys(runs);
  console.log(formatTable([head, ...names.flatMap(rowsOf)]));
}
