/**
 * A training run as a YAML file: a model, and the stages it goes through one after another.
 *
 *     model: models/base        # a folder relative to the file, or a hub name
 *     fresh: true               # from freshly initialised parameters; default false: from the model's weights
 *     output: runs/my-model     # checkpoints, the log, and the trained model
 *     seed: 1
 *     stages:
 *       - name: instruct
 *         train: ['multi_modal_projector.**']   # of a table's rows some: x.embed_tokens.weight[50267:50275]
 *         data: data/chats.jsonl    # and more: settings/data.ts
 *         pictures: data/pictures   # the folder that pictures are relative to; default that of `data`
 *         objective: next-token     # default; others are in settings/objective.ts
 *         batch: 32
 *         microBatch: 8             # default: batch
 *         memory: 4GiB              # in its place: as many samples at once as fit into so much: settings/memory.ts
 *         cacheFeatures: 20GB       # what frozen parts make of pictures, kept on the disk: settings/features.ts
 *         packing: true             # several samples a row, which do not see each other; default false
 *         epochs: 1                 # or: steps
 *         longest: 2048             # tokens that a sample is cut to; default the model's context
 *         lora: { rank: 16, alpha: 32, on: ['language_model.**.{q,v}_proj'] }
 *         adapter: …                # in place of lora another kind, a folder, or `own`: settings/adapter.ts
 *         optimizer: { lr: 2e-5, warmup: 0.03, schedule: cosine, decay: 0, betas: [0.9, 0.999], clip: 1 }
 *         frozen: int8              # how weights that do not learn are held; default f32
 *         recompute: true           # blocks once more for their gradients: less memory, more time; default false
 *         saveEvery: 100
 *
 * What is evaluated in between is in settings/evaluation.ts.
 * Where a recipe's own stage has the name, what the file leaves out is taken from it.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { runRecordFile, runResults } from '../checkpoint/index.js';
import type { Optimizer, Stage } from '../system/index.js';
import { type Fields, fields, fileError, QuintetError } from '../tensor/index.js';
import { type AdapterRequest, adapterOf, asksForAdapter } from './settings/adapter.js';
import { type DataSettings, dataFields, dataOf } from './settings/data.js';
import { type EvaluationSettings, evaluationFields, evaluationOf } from './settings/evaluation.js';
import { type CacheFeatures, featuresOf } from './settings/features.js';
import { positive, refuseUnknown } from './settings/fields.js';
import { memoryLimit } from './settings/memory.js';
import { modelPlace } from './settings/model-place.js';
import { objectiveOf, recipeObjective, type SampleForm } from './settings/objective.js';
import { optimizerOf } from './settings/optimizer.js';
import { ownStage } from './settings/own-stage.js';
import { type FrozenForm, frozenForms } from './step.js';

export interface RunFile {
  /** A folder (absolute, where the file gives a path) or a hub name. */
  readonly model: string;
  /** The same as the file has it. */
  readonly modelAsWritten: string;
  readonly fresh: boolean;
  readonly output: string;
  readonly seed: number;
  readonly stages: readonly RunStage[];
}

export interface RunStage extends DataSettings {
  readonly name: string;
  /** The file and the stage, for error messages. */
  readonly at: string;
  /** Parameters that learn besides an adapter's. */
  readonly train: readonly string[];
  readonly objective: Stage['objective'];
  /** What of its samples a batch is made of. */
  readonly form: SampleForm;
  readonly optimizer: Optimizer;
  readonly batch: number;
  readonly microBatch?: number;
  /** The most bytes that the process may take, by which samples at once are chosen. */
  readonly memory?: number;
  readonly cacheFeatures: CacheFeatures;
  /** Whether rows hold several samples. */
  readonly packing: boolean;
  readonly length: Stage['length'];
  readonly longest?: number;
  readonly adapter?: AdapterRequest;
  /** How weights that do not learn are held. */
  readonly frozen: FrozenForm;
  /** Whether blocks are computed once more for their gradients instead of being kept. */
  readonly recompute: boolean;
  readonly saveEvery?: number;
  readonly evaluation?: EvaluationSettings;
}

const largestFile = 2 ** 20;
/** What lies beside the folders of the stages, but for `results.1` and so on. */
const besides = [...runResults, 'features', runRecordFile];
const known = ['model', 'fresh', 'output', 'seed', 'stages', ...evaluationFields];
const knownOfStage = [
  ...['name', 'train', ...dataFields, 'batch', 'microBatch', 'memory', 'epochs', 'steps', 'longest'],
  ...['lora', 'adapter'],
  ...['objective', 'optimizer', 'frozen', 'recompute', 'packing', 'cacheFeatures', 'saveEvery', ...evaluationFields],
];

/** Reads a run file; paths in it are relative to it. `stagesOf` gives the stages that the model's recipe has. */
export async function readRunFile(path: string): Promise<Fields> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw fileError(path, cause, { missing: 'no such run file' });
  });
  if (text.length > largestFile) throw new QuintetError('limit', 'a run file has at most 1 MB', { at: path });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [mistake] = document.errors;
  if (mistake)
    throw new QuintetError('config', mistake.message, { at: `${path}:${lines.linePos(mistake.pos[0]).line}` });
  try {
    const file: unknown = document.toJS({ maxAliasCount: 100 });
    // Fails where an alias is within what it stands for.
    JSON.stringify(file);
    return fields(file, path);
  } catch (cause) {
    if (cause instanceof QuintetError) throw cause;
    throw new QuintetError('config', (cause as Error).message, { at: path, cause });
  }
}

/** What a run starts from: all that can be read before the model is there. */
export function startOf(file: Fields, path: string): Pick<RunFile, 'model' | 'modelAsWritten' | 'fresh' | 'seed'> {
  refuseUnknown(file, known);
  const written = file.text('model');
  return {
    model: modelPlace(written, dirname(resolve(path))),
    modelAsWritten: written,
    fresh: file.flag('fresh', false),
    seed: file.whole('seed', 0),
  };
}

/** What a run begins with that its file does not say. */
export interface Beginning {
  /** The stages of the model's recipe, which fill what a stage of that name leaves out. */
  readonly stages: readonly Stage[];
  /** Whether the model comes with an adapter of its own. */
  readonly hasAdapter?: boolean;
}

/** What a run file asks for. */
export function runOf(file: Fields, path: string, own: Beginning): RunFile {
  const folder = dirname(resolve(path));
  return {
    ...startOf(file, path),
    output: resolve(folder, file.text('output')),
    stages: stagesOf(file, folder, own),
  };
}

/** The folder that a run file's run is in. */
export async function outputOf(path: string): Promise<string> {
  return resolve(dirname(path), (await readRunFile(path)).text('output'));
}

function stagesOf(file: Fields, folder: string, own: Beginning): RunStage[] {
  const stages = file.objects('stages').map((stage) => stageOf(stage, { file, folder, own }));
  const twice = stages.find(({ name }, i) => stages.findIndex((other) => other.name === name) < i);
  if (stages.length > 0 && !twice) return stages;
  const why = twice ? `two stages are called "${twice.name}"` : 'there are no stages';
  throw new QuintetError('config', why, { at: `${file.at}: stages` });
}

interface Surroundings {
  readonly file: Fields;
  readonly folder: string;
  readonly own: Beginning;
}

function stageOf(stage: Fields, { file, folder, own }: Surroundings): RunStage {
  refuseUnknown(stage, knownOfStage);
  const name = nameOf(stage);
  const base = ownStage(stage, name, own.stages);
  const steps = stage.has('steps') ? { steps: stage.count('steps') } : undefined;
  const epochs = stage.has('epochs') ? { epochs: positive(stage, 'epochs') } : undefined;
  if (steps && epochs) throw new QuintetError('config', 'a stage has steps or epochs, not both', { at: stage.at });
  const adapter = adapterOf(stage, { folder, recipes: base?.adapter, hasOwn: own.hasAdapter });
  const evaluation = evaluationOf(stage, file, folder);
  const train = stage.texts('train', asksForAdapter(stage) ? [] : base?.train);
  const memory = memoryLimit(stage);
  return {
    name,
    at: `${file.at}: stage ${name}`,
    train,
    ...dataOf(stage, folder),
    ...(stage.has('objective') ? objectiveOf(stage, folder) : recipeObjective(base?.objective)),
    optimizer: optimizerOf(stage.object('optimizer', { optional: base !== undefined }), base?.optimizer),
    batch: stage.count('batch', base?.batch),
    length: steps ?? epochs ?? base?.length ?? { epochs: 1 },
    ...(stage.has('microBatch') ? { microBatch: stage.count('microBatch') } : {}),
    ...(memory === undefined ? {} : { memory }),
    ...(stage.has('longest') ? { longest: stage.count('longest') } : {}),
    frozen: stage.choice('frozen', frozenForms, 'f32'),
    recompute: stage.flag('recompute', false),
    packing: stage.flag('packing', false),
    cacheFeatures: featuresOf(stage),
    ...(stage.has('saveEvery') ? { saveEvery: stage.count('saveEvery') } : {}),
    ...(adapter ? { adapter } : {}),
    ...(evaluation ? { evaluation } : {}),
  };
}

/** What a stage is called, and the folder of its checkpoints. */
function nameOf(stage: Fields): string {
  const name = stage.text('name');
  if (/^[\w-][\w.-]*$/.test(name) && !besides.includes(name) && !/^results\.\d+$/.test(name)) return name;
  throw new QuintetError('config', `"${name}" cannot name a stage`, {
    at: `${stage.at}.name`,
    hint: `use letters, digits, dots, - and _, and none of ${besides.join(', ')} and results.1, which a run has besides`,
  });
}
