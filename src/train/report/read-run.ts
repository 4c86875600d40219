/** A run's folder as it is now, whether or not the run is at work in it. Nothing is locked or written. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { encodePicture, loadPicture, resize } from '../../media/index.js';
import { QuintetError } from '../../tensor/index.js';
import type { Estimate } from '../estimate/forecast.js';
import { type Evaluated, evaluationsIn } from '../evaluations.js';
import { isLocked } from '../folder-lock.js';
import { type Ended, endingIn, type LogRecord } from '../log-record.js';
import { readRunLog } from '../run-log.js';
import { type RunRecord, readRunRecord, type StageRecord } from '../run-record.js';
import type { StepReport } from '../train.js';

export type LoggedStep = StepReport & Pick<LogRecord, 'at'>;

export interface ReportedRun extends RunRecord {
  readonly name: string;
  readonly state: 'running' | 'finished' | 'stopped' | 'failed';
  readonly stages: readonly ReportedStage[];
}

export interface ReportedStage extends StageRecord {
  readonly logged: readonly LoggedStep[];
  readonly evaluations: readonly Evaluated[];
  /** How it ended, where evaluations had to do with that. */
  readonly ended?: Ended;
  /** What it was expected to take when it last began or went on, and once it has ended what it took. */
  readonly estimate?: Estimate;
  /** What was wrong with samples that were passed over. */
  readonly bad: readonly string[];
  /** Small pictures of each question, as data: URLs; undefined where one cannot be read any more. */
  readonly thumbnails: readonly (readonly (string | undefined)[])[];
}

export async function readRun(folder: string): Promise<ReportedRun> {
  const record = await readRunRecord(folder);
  if (!record) {
    throw new QuintetError('not-found', 'no run.json: this is no folder of a run', {
      at: folder,
      hint: "give the folder that a run file's `output` names, or the run file itself",
    });
  }
  const running = await Promise.all(record.stages.map(({ name }) => isLocked(join(folder, name))));
  return {
    ...record,
    name: basename(resolve(folder)),
    state: running.includes(true) ? 'running' : endOf(record),
    stages: await Promise.all(record.stages.map((stage) => readStage(join(folder, stage.name), stage))),
  };
}

function endOf({ result, error }: RunRecord): 'finished' | 'failed' | 'stopped' {
  if (result !== undefined) return 'finished';
  return error === undefined ? 'stopped' : 'failed';
}

async function readStage(folder: string, stage: StageRecord): Promise<ReportedStage> {
  const records = await ifThere(() => readRunLog(join(folder, 'log.jsonl')), []);
  const estimate = records.findLast((record) => record.estimate !== undefined)?.estimate as Estimate | undefined;
  const ended = endingIn(records);
  return {
    ...stage,
    ...(ended ? { ended } : {}),
    ...(estimate ? { estimate } : {}),
    logged: records.filter(isStep),
    evaluations: evaluationsIn(records),
    bad: await badSamples(folder),
    thumbnails: await Promise.all(stage.questions.map(({ pictures }) => Promise.all(pictures.map(thumbnail)))),
  };
}

const isStep = (record: LogRecord): record is LogRecord & LoggedStep => typeof record.loss === 'number';

async function ifThere<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw error;
  }
}

/** What each process of the run has told. Lines that a reader may find half written are left out. */
async function badSamples(folder: string): Promise<string[]> {
  const all = await ifThere(() => readdir(folder), []);
  const names = all.filter((name) => /^bad-samples(?:\.\d+)?\.jsonl$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const lines = new Set(texts.flatMap((text) => text.split('\n').slice(0, -1)));
  return [...lines].flatMap((line) => {
    try {
      const { error, message } = JSON.parse(line) as { readonly error?: string; readonly message?: string };
      return [message ?? error ?? line];
    } catch {
      return [];
    }
  });
}

/** Pixels on the longer side: twice what is shown, for fine screens. */
const thumbnailSide = 192;

async function thumbnail(path: string): Promise<string | undefined> {
  try {
    const picture = await loadPicture(path);
    const scale = Math.min(1, thumbnailSide / Math.max(picture.width, picture.height));
    const side = (length: number): number => Math.max(1, Math.round(scale * length));
    const small = resize(picture, { width: side(picture.width), height: side(picture.height) });
    const bytes = await encodePicture(small, 'jpeg');
    return `data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}`;
  } catch (error) {
    if (error instanceof QuintetError) return undefined;
    throw error;
  }
}
