/** `quintet data`: looks at files of samples before a run learns from them. */

import { type Dataset, type DatasetOptions, openDataset } from '../data/index.js';
import { asSystem, load, type Model } from '../model/index.js';
import type { System } from '../system/index.js';
import type { QuintetError } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import {
  type DataSummary,
  inspectData,
  type LabelledText,
  type Learnt,
  objectiveNames,
  sampleAsTrained,
  sampleChecks,
  samplesOf,
  type TrainedAs,
} from '../train/index.js';
import { exitCodes, UsageError } from './failures.js';
import { formatTable } from './format.js';
import { interruptible } from './interrupt.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { bold, dim, ProgressLine, printable } from './terminal.js';

export interface DataCommandOptions extends GlobalOptions, DatasetOptions {
  readonly model?: string;
  /** The name of an objective, whose samples they are to be. */
  readonly objective?: string;
  readonly learn?: Learnt;
  readonly longest?: number;
  readonly json?: boolean;
}

/** Problems that are printed of a file; `--json` has all. */
const mostShown = 20;

interface Checked extends DataSummary {
  readonly path: string;
  readonly problems: readonly QuintetError[];
}

/** Returns the exit code: 1 where a sample cannot be used. */
export async function checkData(paths: readonly string[], options: DataCommandOptions): Promise<number> {
  const as = trainedAs(options);
  return interruptible((signal) =>
    withModel(options, signal, async (model) => {
      const checked: Checked[] = [];
      for (const path of paths) {
        const one = await withData(path, options, (dataset) => check(dataset, { model, as, signal }));
        checked.push(one);
        if (!options.json) process.stdout.write(`${textOf(one, as)}\n`);
      }
      if (options.json) {
        const files = checked.map(({ problems, ...summary }) => ({
          ...summary,
          problems: problems.map(({ code, message }) => ({ code, message })),
        }));
        process.stdout.write(`${JSON.stringify(files, null, 2)}\n`);
      }
      return checked.some(({ bad }) => bad > 0) ? exitCodes.failure : 0;
    }),
  );
}

/** What samples are to be: where only `learn` says something, conversations. */
function trainedAs({ objective, learn, longest }: DataCommandOptions): TrainedAs {
  if (objective !== undefined && !objectiveNames.includes(objective)) {
    throw new UsageError(`no objective is called "${objective}"; there are ${objectiveNames.join(', ')}`);
  }
  const form = objective === undefined ? undefined : samplesOf(objective);
  if (learn !== undefined && (form ?? 'chats') !== 'chats') {
    throw new UsageError(`--learn is of conversations: ${objective} does not learn from any`);
  }
  return {
    ...(learn ? { form: 'chats', learn } : form ? { form } : {}),
    ...(longest === undefined ? {} : { longest }),
  };
}

/** Prints a sample: what it says, or with a model what is learnt of it. */
export function showData(path: string, index: number, options: DataCommandOptions): Promise<void> {
  const as = trainedAs(options);
  return interruptible((signal) =>
    withData(path, options, async (dataset) => {
      if (index >= dataset.count) throw new UsageError(`${path} has ${dataset.count} samples, counted from 0`);
      const sample = await dataset.read(index);
      const { id, where, text, messages, answers } = sample;
      if (as.form !== undefined) sampleChecks[as.form].check(sample, as.learn);
      const pictures = sample.pictures.map((one) => (typeof one === 'string' ? one : `${one.length} bytes`));
      await withModel(options, signal, async (model) => {
        const trained = model ? await sampleAsTrained(model, sample, as) : undefined;
        if (options.json) {
          const result = { id, where, text, messages, answers, pictures, trained };
          process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
          return;
        }
        const head = [where, ...pictures.map((picture, i) => `picture ${i + 1}: ${picture}`)];
        const body = trained
          ? trained.map(trainedText)
          : [text === undefined ? linesOf(messages) : [forTerminal(text)]];
        const said = (answers ?? []).map(({ messages, good }, i) => [
          good ? 'good:' : 'bad:',
          ...(trained ? (body[i] as string[]) : linesOf(messages)),
        ]);
        const all = answers && trained ? said : [...body, ...said];
        process.stdout.write(`${[head, ...all].map((lines) => lines.join('\n')).join('\n\n')}\n`);
      });
    }),
  );
}

async function withData<T>(path: string, options: DataCommandOptions, use: (dataset: Dataset) => Promise<T>) {
  const { pictures, format } = options;
  const dataset = await openDataset(path, { ...(pictures ? { pictures } : {}), ...(format ? { format } : {}) });
  try {
    return await use(dataset);
  } finally {
    await dataset.close();
  }
}

async function withModel<T>(
  { model: source, ...options }: DataCommandOptions,
  signal: AbortSignal,
  use: (model: Model<System> | undefined) => Promise<T>,
): Promise<T> {
  if (source === undefined) return use(undefined);
  const model = asSystem(await load(source, await loadOptions(options, signal)));
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

interface Checking {
  readonly model: Model<System> | undefined;
  readonly as: TrainedAs;
  readonly signal: AbortSignal;
}

async function check(dataset: Dataset, { model, as, signal }: Checking): Promise<Checked> {
  const line = new ProgressLine();
  const problems: QuintetError[] = [];
  const summary = await inspectData(dataset, {
    ...(model ? { model } : {}),
    ...as,
    onBad: (error) => problems.push(error),
    onSample: (done, count) => line.show(`${dataset.path}: ${done} of ${count} samples`),
    signal,
  });
  line.clear();
  return { path: dataset.path, ...summary, problems };
}

function textOf(checked: Checked, as: TrainedAs): string {
  const { path, samples, bad, answers, pictures, outOfTurn, tokens } = checked;
  const rows = [
    ['samples', bad === 0 ? `${samples}` : `${samples}, of which ${bad} cannot be used`],
    ['answers', `${answers}`],
    ['pictures', `${pictures}`],
  ];
  if (outOfTurn) {
    const why = 'many chat templates refuse turns that do not alternate; --model says what its own does';
    rows.push(['out of turn', `${outOfTurn.samples}, the first ${outOfTurn.first}: ${why}`]);
  }
  if (tokens) {
    const names = ['shortest', 'half up to', '90 % up to', '99 % up to', 'longest'];
    const lengths = tokens.quantiles.map(({ length }, i) => `${names[i]} ${length}`);
    rows.push(['tokens', `${tokens.total} in ${tokens.conversations} conversations: ${lengths.join(', ')}`]);
    rows.push(['learnt', `${tokens.learnt} tokens, ${percent(tokens.learnt / tokens.total)}`]);
    if (Number.isFinite(tokens.longest)) {
      rows.push(['cut', `${percent(tokens.cut / tokens.conversations)} of them, after ${tokens.longest} tokens`]);
    }
  }
  const problemText = problemLines(checked, as).map((line) => `\n${forTerminal(line)}`);
  return `${bold(path, process.stdout)}\n${formatTable(rows)}${problemText.length > 0 ? '\n' : ''}${problemText.join('')}\n`;
}

/** What is wrong with which samples. Where none is of use for one and the same reason, it is said once. */
function problemLines({ samples, bad, problems }: Checked, { form }: TrainedAs): string[] {
  const one = form === undefined ? 'of use' : sampleChecks[form].one;
  const none = bad === samples ? [`none of these records is ${one}`] : [];
  const reasons = new Set(problems.map(({ at = '', message }) => message.slice(at.length)));
  const shown = none.length > 0 && reasons.size === 1 ? 1 : mostShown;
  const rest = problems.length - shown;
  const more = rest > 0 ? [`… and ${rest} more${shown === 1 ? ' alike' : ''}; --json lists them all`] : [];
  return [...none, ...problems.slice(0, shown).map(({ message }) => message), ...more];
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

const linesOf = (messages: readonly Message[]): string[] => messages.map(messageText);

function messageText({ role, content }: Message): string {
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  const text = parts.map((part) => (part.type === 'image' ? '<image>' : part.text)).join(' ');
  return `${role}: ${forTerminal(text)}`;
}

const forTerminal = (text: string): string => printable(text, process.stdout);

/** What is learnt stands between marks, the rest is dim; a token that is repeated many times is written once. */
function trainedText(trained: readonly LabelledText[]): string[] {
  const text = trained.map(({ text, learnt }) => {
    const short = forTerminal(text).replace(
      /(<[^<>\s]+>)\1{3,}/g,
      (all: string, token: string) => `${token}×${all.length / token.length}`,
    );
    return learnt ? `«${bold(short, process.stdout)}»` : dim(short, process.stdout);
  });
  const count = (learnt?: boolean) =>
    trained.reduce((sum, one) => sum + (learnt === undefined || one.learnt === learnt ? one.tokens : 0), 0);
  return [text.join(''), '', `${count()} tokens, of which ${count(true)} are learnt: those between « and »`];
}
