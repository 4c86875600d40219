/**
 * The card of a trained model, README.md in its folder: what it was made of, by which training, and how it did. Paths of the
 * machine stay out of it: it is for others.
 *
 * https://huggingface.co/docs/hub/model-cards
 */
import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { writeAtomically } from '../checkpoint/index.js';
import { isSystem, type Model } from '../model/index.js';
import { formatCount } from '../tensor/index.js';
import { bestOf, type Evaluated } from './evaluations.js';
import { formatLoss, meanOfLast } from './report/figures.js';
import { escaped as escapedHtml } from './report/html.js';
import { type ReportedRun, type ReportedStage, readRun } from './report/read-run.js';

export interface CardFacts {
  readonly run: ReportedRun;
  /** Whether the folder holds an adapter over the base, not a whole model. */
  readonly adapter: boolean;
  /** Whether the model takes pictures. */
  readonly pictures: boolean;
  /** Of the base, as its own card says. */
  readonly license?: string;
}

/** Writes the card of what a run, whose folder is `output`, has saved in `folder`. */
export async function writeCard(model: Model, output: string, folder: string): Promise<void> {
  const license = await licenseOf(model);
  const text = modelCard({
    run: await readRun(output),
    adapter: basename(folder) === 'adapter',
    pictures: isSystem(model) && model.network.image !== undefined,
    ...(license === undefined ? {} : { license }),
  });
  await writeAtomically(join(folder, 'README.md'), (file) => file.writeFile(text));
}

/** The licence that a model's own card names, or its .gguf file; undefined where it is not known. */
async function licenseOf({ path, metadata }: Model): Promise<string | undefined> {
  const named = metadata?.get('general.license');
  if (typeof named === 'string') return named;
  const card = path === undefined ? '' : await readFile(join(path, 'README.md'), 'utf8').catch(() => '');
  const [, front = ''] = /^---\r?\n(.*?)\r?\n---/s.exec(card.slice(0, 2 ** 16)) ?? [];
  const settings = parseDocument(front).toJS() as { readonly license?: unknown } | null;
  return typeof settings?.license === 'string' ? settings.license : undefined;
}

export function modelCard(facts: CardFacts): string {
  const { run, adapter } = facts;
  const sections = [
    `---\n${stringify(metadata(facts)).trimEnd()}\n---`,
    `# ${inline(run.name)}`,
    introduction(facts),
    `## Use\n\n${usage(facts)}`,
    `## Training\n\n${training(run)}`,
    ...evaluation(run),
    ...samples(run),
    `## Files\n\n${adapter ? adapterFiles : modelFiles}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

const modelFiles =
  "`model.safetensors` (or shards), `config.json`, `generation_config.json`, and the base's tokenizer and processor.";
const adapterFiles = "`adapter_config.json` and `adapter_model.safetensors`, in PEFT's format.";

function metadata(facts: CardFacts): Record<string, unknown> {
  const { run, adapter, pictures, license } = facts;
  const base = hubName(run);
  return {
    library_name: adapter ? 'peft' : 'transformers',
    ...(license === undefined ? {} : { license }),
    ...(base === undefined ? {} : { base_model: base, base_model_relation: adapter ? 'adapter' : 'finetune' }),
    pipeline_tag: pictures ? 'image-text-to-text' : 'text-generation',
    tags: ['quintet', ...(adapter ? ['lora'] : [])],
    ...results(facts),
  };
}

/** The name of the base, where it is one that others know. */
function hubName({ model: { source, fresh } }: ReportedRun): string | undefined {
  return !fresh && /^[\w.-]+\/[\w.-]+$/.test(source) && !source.startsWith('.') ? source : undefined;
}

/** The last stage with held-out samples, and the evaluation of the values that were kept. */
function final(run: ReportedRun): { readonly stage: ReportedStage; readonly kept: Evaluated } | undefined {
  const stage = run.stages.findLast(({ evaluations }) => evaluations.length > 0);
  const kept = stage && (stage.settings.keepBest ? bestOf(stage.evaluations) : stage.evaluations.at(-1));
  return stage && kept ? { stage, kept } : undefined;
}

/** Results as the Hub shows them beside a card. */
function results({ run, pictures }: CardFacts): Record<string, unknown> {
  const { stage, kept } = final(run) ?? {};
  if (!stage?.heldOut || kept?.loss === undefined) return {};
  const values = { loss: kept.loss, ...kept.metrics };
  const metrics = Object.entries(values).map(([type, value]) => ({ type, value, name: `Held-out ${type}` }));
  const result = {
    task: { type: pictures ? 'image-text-to-text' : 'text-generation' },
    dataset: { name: namesOf(stage.heldOut.data), type: 'held-out' },
    metrics,
  };
  return { 'model-index': [{ name: run.name, results: [result] }] };
}

function introduction({ run, adapter, license }: CardFacts): string {
  const { model, stages } = run;
  const base = hubName(run);
  const named = base ? `[${base}](https://huggingface.co/${base})` : `\`${inline(basename(model.source))}\``;
  const what = model.fresh
    ? `A ${model.network} of ${formatCount(model.parameters)} parameters, trained from random ones`
    : `${adapter ? 'An adapter over' : 'Trained from'} ${named}, a ${model.network} of ${formatCount(model.parameters)} parameters,`;
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

function usage({ run, adapter, pictures }: CardFacts): string {
  const kind = pictures ? 'AutoModelForImageTextToText' : 'AutoModelForCausalLM';
  const processor = pictures ? 'AutoProcessor' : 'AutoTokenizer';
  const base = hubName(run) ?? 'BASE';
  const lines = adapter
    ? [
        'from peft import PeftModel',
        `from transformers import ${kind}, ${processor}`,
        '',
        `model = PeftModel.from_pretrained(${kind}.from_pretrained("${base}"), "FOLDER")`,
        `processor = ${processor}.from_pretrained("${base}")`,
      ]
    : [
        `from transformers import ${kind}, ${processor}`,
        '',
        `model = ${kind}.from_pretrained("FOLDER")`,
        `processor = ${processor}.from_pretrained("FOLDER")`,
      ];
  const command = adapter ? `quintet chat ${base} --adapter FOLDER` : 'quintet chat FOLDER';
  return `\`\`\`python\n${lines.join('\n')}\n\`\`\`\n\n\`\`\`sh\n${command}\n\`\`\``;
}

function training(run: ReportedRun): string {
  const heads = ['stage', 'learns', 'data', 'steps', 'tokens', 'loss', 'last'];
  const rows = run.stages.map((stage) => {
    const { logged } = stage;
    const tokens = logged.reduce((sum, step) => sum + step.tokens, 0);
    const [first] = logged;
    return [
      stage.name,
      `${formatCount(stage.trained)} of ${formatCount(run.model.parameters)}`,
      `${namesOf(stage.data)} (${stage.samples})`,
      `${logged.at(-1)?.step ?? 0} of ${stage.batch}`,
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
  const stages = run.stages.filter(({ evaluations }) => evaluations.some(({ loss }) => loss !== undefined));
  if (stages.length === 0) return [];
  const { stage: last, kept } = final(run) ?? {};
  const rows = stages.flatMap((stage) =>
    stage.evaluations.map(({ step, loss, metrics = {} }) => {
      const isKept = stage === last && step === kept?.step;
      const others = Object.entries(metrics).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
      const value = loss === undefined ? '' : formatLoss(loss);
      return [stage.name, String(step), isKept ? `**${value}**` : value, others.join(', ')];
    }),
  );
  const held = stages.map(({ heldOut }) => `${namesOf(heldOut?.data ?? [])} (${samplesOf(heldOut?.samples ?? 0)})`);
  const intro = `On samples that were not learnt from: ${inline([...new Set(held)].join(', '))}. In bold: what is in this folder.`;
  return [`## Evaluation\n\n${intro}\n\n${table(['stage', 'step', 'loss', 'metrics'], rows)}`];
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
