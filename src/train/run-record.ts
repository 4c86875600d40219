/** `run.json` in a run's folder: what the run is, for whoever looks at it. Nothing in training reads it. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, runRecordFile, writeAtomically } from '../checkpoint/index.js';
import { type Fields, fields, parseJson, QuintetError } from '../tensor/index.js';

export interface RunRecord {
  /** The run file as it was read. */
  readonly file: string;
  readonly model: ModelRecord;
  readonly seed: number;
  /** ONNX Runtime's version and where it is from. */
  readonly engine: string;
  /** Milliseconds since 1970; absent where the run has no clock. */
  readonly started?: number;
  readonly ended?: number;
  /** The folder that was written at the end, `model` or `adapter`. */
  readonly result?: string;
  /** Why it ended before that, unless it was stopped or killed. */
  readonly error?: string;
  readonly stages: readonly StageRecord[];
}

export interface ModelRecord {
  /** A folder or hub name. */
  readonly source: string;
  readonly network: string;
  readonly paper?: string;
  readonly parameters: number;
  /** Whether it began with random parameters. */
  readonly fresh: boolean;
}

export interface StageRecord {
  readonly name: string;
  readonly steps: number;
  readonly batch: number;
  /** What the samples are read from, and how many there are. */
  readonly data: readonly string[];
  readonly samples: number;
  /** How many parameters learn. */
  readonly trained: number;
  /** Everything else that it was asked to do, by the names of run files. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly heldOut?: { readonly data: readonly string[]; readonly samples: number };
  readonly questions: readonly QuestionRecord[];
}

export interface QuestionRecord {
  readonly prompt: string;
  /** Absolute paths. */
  readonly pictures: readonly string[];
}

const file = (folder: string): string => join(folder, runRecordFile);

export async function writeRunRecord(folder: string, record: RunRecord): Promise<void> {
  await makeFolder(folder);
  const text = `${JSON.stringify({ format: 1, ...record }, null, 2)}\n`;
  await writeAtomically(file(folder), (handle) => handle.writeFile(text));
}

/** The record in a run's folder, or undefined. */
export async function readRunRecord(folder: string): Promise<RunRecord | undefined> {
  const at = file(folder);
  const text = await readFile(at, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const record = fields(parseJson(text, at, { size: 2 ** 24 }), at);
  if (record.whole('format') !== 1) {
    throw new QuintetError('format', `format ${record.whole('format')} is not known`, { at });
  }
  return {
    file: record.text('file'),
    model: modelOf(record.object('model')),
    seed: record.whole('seed'),
    engine: record.text('engine'),
    ...numbersOf(record, ['started', 'ended']),
    ...textsOf(record, ['result', 'error']),
    stages: record.objects('stages').map(stageOf),
  };
}

function modelOf(model: Fields): ModelRecord {
  return {
    source: model.text('source'),
    network: model.text('network'),
    ...textsOf(model, ['paper']),
    parameters: model.whole('parameters'),
    fresh: model.flag('fresh'),
  };
}

function stageOf(stage: Fields): StageRecord {
  const heldOut = stage.has('heldOut') ? stage.object('heldOut') : undefined;
  return {
    name: stage.text('name'),
    steps: stage.whole('steps'),
    batch: stage.whole('batch'),
    data: stage.texts('data'),
    samples: stage.whole('samples'),
    trained: stage.whole('trained'),
    settings: stage.object('settings').raw,
    ...(heldOut ? { heldOut: { data: heldOut.texts('data'), samples: heldOut.whole('samples') } } : {}),
    questions: stage.objects('questions').map((question) => ({
      prompt: question.text('prompt'),
      pictures: question.texts('pictures'),
    })),
  };
}

function numbersOf<Name extends string>(file: Fields, names: readonly Name[]): { [N in Name]?: number } {
  return Object.fromEntries(names.filter((name) => file.has(name)).map((name) => [name, file.number(name)])) as {
    [N in Name]?: number;
  };
}

function textsOf<Name extends string>(file: Fields, names: readonly Name[]): { [N in Name]?: string } {
  return Object.fromEntries(names.filter((name) => file.has(name)).map((name) => [name, file.text(name)])) as {
    [N in Name]?: string;
  };
}
