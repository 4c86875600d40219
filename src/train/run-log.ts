/** The log of a run: one JSON object a line, only ever appended to, cut back when the run goes on from an earlier step. */

import { open, readFile } from 'node:fs/promises';
import type { LogRecord } from './log-record.js';

export interface RunLog {
  append(record: LogRecord): Promise<void>;
  /** Removes what was logged after a step, and a line that a crash cut short. */
  rewind(step: number): Promise<void>;
  records(): Promise<LogRecord[]>;
  /** Resolves when what was appended has reached the disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const newline = 0x0a;

export async function openRunLog(path: string): Promise<RunLog> {
  const file = await open(path, 'a+');
  const rewind = async (step: number) => file.truncate(await endOf(step, path));
  await rewind(Number.POSITIVE_INFINITY);
  return {
    append: (record) => file.appendFile(`${JSON.stringify(record)}\n`),
    rewind,
    records: () => readRunLog(path),
    flush: () => file.sync(),
    close: () => file.close(),
  };
}

/** The whole lines of a log, as far as they can be read: also of one that is just being written. */
export async function readRunLog(path: string): Promise<LogRecord[]> {
  const bytes = await readFile(path);
  return [...linesOf(bytes)].map(({ record }) => record);
}

/** Where the last whole line ends that is not of a later step. */
async function endOf(step: number, path: string): Promise<number> {
  let last = 0;
  for (const { record, end } of linesOf(await readFile(path))) {
    if (record.step > step) break;
    last = end;
  }
  return last;
}

function* linesOf(bytes: Uint8Array): Generator<{ readonly record: LogRecord; readonly end: number }> {
  let end = 0;
  for (let next = bytes.indexOf(newline); next >= 0; next = bytes.indexOf(newline, end)) {
    const record = recordOf(bytes.subarray(end, next));
    if (!record) return;
    end = next + 1;
    yield { record, end };
  }
}

function recordOf(line: Uint8Array): LogRecord | undefined {
  try {
    const record = JSON.parse(new TextDecoder().decode(line)) as Partial<LogRecord> | null;
    return typeof record?.step === 'number' ? (record as LogRecord) : undefined;
  } catch {
    return undefined; // what a power cut left
  }
}
