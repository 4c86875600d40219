/**
 * The card of a trained model, README.md in its folder: what it was made of, by which training, and how it did. Paths of the
 * machine stay out of it: it is for others.
 *
 * https://huggingface.co/docs/hub/model-cards
 */
import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { adapterConfigFile, adapterValuesFile, partsOfModelName, writeAtomically } from '../checkpoint/index.js';
import { type Model, shippedModel } from '../model/index.js';
import {
  isDualEncoder,
  isImageText,
  isLatentDiffusion,
  isMaskedWords,
  isRewardSystem,
  isSystem,
} from '../system/index.js';
import { fields, formatCount, parseJson } from '../tensor/index.js';
import { bestOf, type Evaluated, verdictOf } from './evaluations.js';
import { formatLoss, meanOfLast } from './report/figures.js';
import { escaped as escapedHtml } from './report/html.js';
import { type ReportedRun, type ReportedStage, readRun } from './report/read-run.js';

export interface CardFacts {
  readonly run: ReportedRun;
  /** The kind of adapter over the base that the folder holds, as in `lora`; undefined for a whole model. */
  readonly adapter?: string;
  /** Whether the adapter is over a model that the run has saved beside it, and not over what the run began with. */
  readonly ownBase?: boolean;
  readonly task: Task;
  /** Whether transformers knows the architecture. */
  readonly known: boolean;
  /** Of the base. */
  readonly origin: Origin;
  /** Whether the base ships with Quintet. */
  readonly shipped: boolean;
}

/** What a model's own card says of where it comes from, in the Hub's words. */
interface Origin {
  readonly license?: string;
  readonly base_model?: string | readonly string[];
}

/** What the Hub calls it, and the class by which transformers loads such a model. */
const classes = {
  'image-text-to-text': 'AutoModelForImageTextToText',
  'text-generation': 'AutoModelForCausalLM',
  'text2text-generation': 'AutoModelForSeq2SeqLM',
  'text-classification': 'AutoModelForSequenceClassification',
  'fill-mask': 'AutoModelForMaskedLM',
  'zero-shot-image-classification': 'AutoModelForZeroShotImageClassification',
  'text-to-image': 'DiffusionPipeline',
} as const;

type Task = keyof typeof classes;

function taskOf({ network }: Model): Task {
  if (isMaskedWords(network)) return 'fill-mask';
  if (isLatentDiffusion(network)) return 'text-to-image';
  if (isDualEncoder(network) || isImageText(network)) return 'zero-shot-image-classification';
  if (isRewardSystem(network)) return 'text-classification';
  if (isSystem(network) && network.image) return 'image-text-to-text';
  return isSystem(network) && network.backbone.part.encoder ? 'text2text-generation' : 'text-generation';
}

/** Writes the card of what a run, whose folder is `output`, has saved in `folder`. */
export async function writeCard(
  model: Model,
  output: string,
  { folder, ownBase }: { readonly folder: string; readonly ownBase: boolean },
): Promise<void> {
  const [origin, adapter] = [await originOf(model), await adapterIn(folder)];
  const run = await readRun(output);
  const text = modelCard({
    run,
    task: taskOf(model),
    // Configurations that transformers wrote name a class of it.
    known: Array.isArray(model.files?.config?.architectures),
    ...(adapter === undefined ? {} : { adapter }),
    ...{ origin, ownBase },
    shipped: (await shippedModel(run.model.source)) !== undefined,
  });
  await writeAtomically(join(folder, 'README.md'), (file) => file.writeFile(text));
}

/** The kind of adapter in a folder, in PEFT's words. */
async function adapterIn(folder: string): Promise<string | undefined> {
  const file = join(folder, adapterConfigFile);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : fields(parseJson(text, file), file).text('peft_type').toLowerCase();
}

/** What a model's own card says, or its .gguf file; where neither does, it is not known. */
async function originOf({ path, metadata }: Model): Promise<Origin> {
  const named = metadata?.get('general.license');
  if (typeof named === 'string') return { license: named };
  const card = path === undefined ? '' : await readFile(join(path, 'README.md'), 'utf8').catch(() => '');
  const [, front = ''] = /^---\r?\n(.*?)\r?\n---/s.exec(card.slice(0, 2 ** 16)) ?? [];
  try {
    const { license, base_model: bases } = (parseDocument(front).toJS() ?? {}) as Record<string, unknown>;
    const named = [bases].flat();
    const isNamed = named.length > 0 && named.every((base) => typeof base === 'string');
    return {
      ...(typeof license === 'string' ? { license } : {}),
      ...(isNamed ? { base_model: bases as string | readonly string[] } : {}),
    };
  } catch {
    return {}; // no YAML that can be read
  }
}

export function modelCard(facts: CardFacts): string {
  const { run } = facts;
  const sections = [
    `---\n${stringify(metadata(facts)).trimEnd()}\n---`,
    `# ${inline(run.name)}`,
    introduction(facts),
    `## Use\n\n${usage(facts)}`,
    `## Training\n\n${training(run)}`,
    ...evaluation(run),
    ...samples(run),
    `## Files\n\n${filesOf(facts)}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function filesOf(facts: CardFacts): string {
  const { adapter, ownBase, task } = facts;
  if (!adapter) return task === 'text-to-image' ? pipelineFiles : modelFiles;
  if (ownBase) return `${adapterFiles} ${ownBaseFiles}`;
  return knownName(facts) === undefined ? `${adapterFiles} ${basePath}` : adapterFiles;
}

const pipelineFiles = "`model_index.json` and a folder for each part, in diffusers' layout.";
const modelFiles =
  "`model.safetensors` (or shards), `config.json`, of what answers `generation_config.json`, and the base's tokenizer and processor.";
const ownBaseFiles = 'The base, BASE above, is the folder `model` that the run wrote beside this one.';
const basePath =
  'The former names the base by the path that the run file had, which leads to it from the folder of that file alone: load it first, as above.';
const adapterFiles = `\`${adapterConfigFile}\` and \`${adapterValuesFile}\`, in PEFT's format.`;

function metadata(facts: CardFacts): Record<string, unknown> {
  const { run, adapter, task, origin } = facts;
  const { license, ...made } = origin;
  const base = hubName(run);
  // Of what is not on the Hub it is told what that was made of.
  const bases = base === undefined ? made : { base_model: base };
  return {
    library_name: libraryOf(facts),
    ...(license === undefined ? {} : { license }),
    ...(run.model.fresh || bases.base_model === undefined ? {} : { ...bases, ...relationOf(facts) }),
    pipeline_tag: task,
    tags: ['quintet', ...(adapter ? [adapter] : [])],
    ...results(facts),
  };
}

/** How it relates to the models that are named as its bases: an adapter is none of what its own base was made of. */
function relationOf({ run, adapter, ownBase }: CardFacts): Record<string, unknown> {
  if (!adapter) return { base_model_relation: 'finetune' };
  return hubName(run) === undefined || ownBase ? {} : { base_model_relation: 'adapter' };
}

function libraryOf({ adapter, task, known }: CardFacts): string {
  if (task === 'text-to-image') return adapter ? 'quintet' : 'diffusers';
  if (!known) return 'quintet';
  return adapter ? 'peft' : 'transformers';
}

/** The base on the Hub, where it is there. */
const hubName = ({ model: { source, fresh } }: ReportedRun): string | undefined =>
  fresh ? undefined : partsOfModelName(source)?.repository;

/** What Quintet finds the base by on any machine: its name on the Hub, or that of a model that ships with Quintet. */
function knownName({ run: { model }, shipped, ownBase }: CardFacts): string | undefined {
  const { source, fresh } = model;
  return !fresh && !ownBase && (partsOfModelName(source) || shipped) ? source : undefined;
}

/** The last stage with held-out samples, and the evaluation of the values that were kept. */
function final(run: ReportedRun): { readonly stage: ReportedStage; readonly kept: Evaluated } | undefined {
  const stage = run.stages.findLast(({ evaluations }) => evaluations.length > 0);
  const kept = stage && (stage.settings.keepBest ? bestOf(stage.evaluations) : stage.evaluations.at(-1));
  return stage && kept ? { stage, kept } : undefined;
}

/** Results as the Hub shows them beside a card. */
function results({ run, task }: CardFacts): Record<string, unknown> {
  const { stage, kept } = final(run) ?? {};
  const verdict = kept && verdictOf(kept);
  if (!stage?.heldOut || !verdict) return {};
  const values = { [verdict.name]: verdict.value, ...kept.metrics };
  const metrics = Object.entries(values).map(([type, value]) => ({ type, value, name: `Held-out ${type}` }));
  const result = {
    task: { type: task },
    dataset: { name: namesOf(stage.heldOut.data), type: 'held-out' },
    metrics,
  };
  return { 'model-index': [{ name: run.name, results: [result] }] };
}

function introduction({ run, adapter, ownBase, shipped, origin: { license } }: CardFacts): string {
  const { model, stages } = run;
  const base = hubName(run);
  const local = `\`${inline(basename(model.source))}\`${shipped ? ' that ships with Quintet' : ''}`;
  const named = base ? `[${base}](https://huggingface.co/${base})` : local;
  const what = model.fresh
    ? `A ${model.network} of ${formatCount(model.parameters)} parameters, trained from random ones`
    : `${adapter && !ownBase ? 'An adapter over' : 'Trained from'} ${named}, a ${model.network} of ${formatCount(model.parameters)} parameters,`;
  const names = stages.map(({ name }) => `\`${name}\``).join(', ');
  const law =
    license === undefined
      ? 'The licence of the base is not known to this card.'
      : `Licence of the base: ${inline(license)}.`;
  const paper = /^arXiv:(\S+)$/.exec(model.paper ?? '')?.[1];
  return [
    `${what} with Quintet in ${stages.length === 1 ? `one stage, ${names}` : `${stages.length} stages: ${names}`}.`,
    ...(paper ? [`Architecture: https://arxiv.org/abs/${paper}.`] : []),
    ...(model.fresh ? [] : [law]),
  ].join(' ');
}

function usage(facts: CardFacts): string {
  const { run, adapter, ownBase, task } = facts;
  const quintet = inQuintet(task, knownName(facts) ?? 'BASE', adapter);
  if (libraryOf(facts) === 'quintet') return quintet;
  const python =
    task === 'text-to-image' ? inDiffusers : inTransformers(facts, (ownBase ? undefined : hubName(run)) ?? 'BASE');
  return `${block('python', python)}\n\n${quintet}`;
}

const block = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

const inDiffusers = `from diffusers import ${classes['text-to-image']}

pipeline = ${classes['text-to-image']}.from_pretrained("FOLDER")`;

function inTransformers({ adapter, task }: CardFacts, base: string): string {
  const rates = task === 'text-classification';
  const sees = task === 'image-text-to-text' || task === 'zero-shot-image-classification';
  const [model, processor] = [classes[task], sees ? 'AutoProcessor' : 'AutoTokenizer'];
  const lines = [
    ...(adapter ? ['from peft import PeftModel'] : []),
    `from transformers import ${model}, ${processor}`,
    '',
    adapter
      ? `model = PeftModel.from_pretrained(${model}.from_pretrained("${base}"${rates ? ', num_labels=1' : ''}), "FOLDER")`
      : `model = ${model}.from_pretrained("FOLDER")`,
    `processor = ${processor}.from_pretrained("${adapter ? base : 'FOLDER'}")`,
  ];
  return lines.join('\n');
}

/** How Quintet uses what answers, and what rewards answers; what does neither is loaded in a program. */
function inQuintet(task: Task, base: string, adapter: string | undefined): string {
  const settings = 'objective: { kind: grpo, reward: FOLDER }   # in a run file';
  if (task === 'text-classification') return block('yaml', settings);
  if (task === 'text-to-image') {
    const merging = adapter ? [`quintet merge ${base} --adapter FOLDER -o PIPELINE   # diffusers loads it, too`] : [];
    return block('sh', [...merging, `quintet draw ${adapter ? 'PIPELINE' : 'FOLDER'} "a prompt"`].join('\n'));
  }
  const command = adapter ? `quintet chat ${base} --adapter FOLDER` : 'quintet chat FOLDER';
  if (answering.includes(task)) return block('sh', command);
  const options = adapter ? `'${base}', { adapter: 'FOLDER' }` : "'FOLDER'";
  return block('ts', `import { load } from 'quintet';\n\nconst model = await load(${options});`);
}

const answering: readonly Task[] = ['image-text-to-text', 'text-generation', 'text2text-generation'];

function training(run: ReportedRun): string {
  const heads = ['stage', 'learns', 'data', 'steps', 'batch', 'tokens', 'loss', 'last'];
  const rows = run.stages.map((stage) => {
    const { logged } = stage;
    const tokens = logged.reduce((sum, step) => sum + step.tokens, 0);
    const [first] = logged;
    return [
      stage.name,
      `${formatCount(stage.trained)} of ${formatCount(run.model.parameters)}`,
      `${namesOf(stage.data)} (${stage.samples})`,
      String(logged.at(-1)?.step ?? 0),
      String(stage.batch),
      formatCount(tokens),
      first ? formatLoss(first.loss) : '',
      first ? formatLoss(meanOfLast(logged)) : '',
    ];
  });
  const settings = run.stages.map((stage) => ({ name: stage.name, ...withoutPaths(stage.settings) }));
  const text = stringify({ seed: run.seed, stages: settings }, { flowCollectionPadding: true }).trimEnd();
  return `${table(heads, rows)}\n\n<details><summary>Settings</summary>\n\n\`\`\`yaml\n${text}\n\`\`\`\n\n</details>`;
}

/** Settings in which files are called by their names alone. */
function withoutPaths(settings: ReportedStage['settings']): ReportedStage['settings'] {
  const named = (_: string, value: unknown): unknown =>
    typeof value === 'string' && isAbsolute(value) ? basename(value) : value;
  return JSON.parse(JSON.stringify(settings, named)) as ReportedStage['settings'];
}

function evaluation(run: ReportedRun): string[] {
  const stages = run.stages.filter(({ evaluations }) => evaluations.some(verdictOf));
  if (stages.length === 0) return [];
  const { stage: last, kept } = final(run) ?? {};
  const verdicts = [
    ...new Set(stages.flatMap(({ evaluations }) => evaluations.flatMap((own) => verdictOf(own)?.name ?? []))),
  ];
  const rows = stages.flatMap((stage) =>
    stage.evaluations.map((evaluation) => {
      const { step, metrics = {} } = evaluation;
      const { name: judged, value = 0 } = verdictOf(evaluation) ?? {};
      const shown = stage === last && step === kept?.step ? `**${formatLoss(value)}**` : formatLoss(value);
      const others = Object.entries(metrics).filter(([name]) => name !== judged);
      const told = others.map(([name, other]) => `${name} ${Number(other.toPrecision(4))}`);
      return [stage.name, String(step), ...verdicts.map((name) => (name === judged ? shown : '')), told.join(', ')];
    }),
  );
  const held = stages.map(({ heldOut }) => `${namesOf(heldOut?.data ?? [])} (${samplesOf(heldOut?.samples ?? 0)})`);
  const intro = `On samples that were not learnt from: ${inline([...new Set(held)].join(', '))}. In bold: what is in this folder.`;
  return [`## Evaluation\n\n${intro}\n\n${table(['stage', 'step', ...verdicts, 'metrics'], rows)}`];
}

function samples(run: ReportedRun): string[] {
  const { stage, kept } = final(run) ?? {};
  const answers = kept?.answers ?? [];
  if (!stage || answers.length === 0) return [];
  const before = run.stages.flatMap(({ evaluations }) => evaluations)[0]?.answers ?? [];
  const rows = stage.questions.map(({ prompt, pictures }, i) => [
    pictures.map((path) => basename(path)).join(', '),
    prompt,
    before[i] ?? '',
    answers[i] ?? '',
  ]);
  return [`## Sample answers\n\n${table(['picture', 'prompt', 'before', 'now'], rows)}`];
}

/** A Markdown table; what stands in its cells is text. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const shown = rows.map((row) => line(row.map((cell) => (/^\*\*[\d.e+-]+\*\*$/.test(cell) ? cell : inline(cell)))));
  return [line(heads), line(heads.map(() => '---')), ...shown].join('\n');
}

/** Text in one line, without what Markdown or HTML would make of it. */
function inline(text: string): string {
  return escapedHtml(text.replace(/\s+/g, ' ').trim()).replace(/[\\`*_[\]|~#]/g, '\\$&');
}

/** Files by their names alone. */
const namesOf = (paths: readonly string[]): string => paths.map((path) => basename(path)).join(', ');

const samplesOf = (count: number): string => (count === 1 ? '1 sample' : `${count} samples`);
