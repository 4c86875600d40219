/** The log of a run: one JSON object a line, only ever appended to, cut back when the run goes on from an earlier step. */

import { open, readFile } from 'node:fs/promises';

export interface LogRecord {
  /** Steps done; never falls from line to line. */
  readonly step: number;
  readonly [name: string]: unknown;
}

export interface RunLog {
  append(record: LogRecord): Promise<void>;
  /** Removes what was logged after a step, and a line that a crash cut short. */
  rewind(step: number): Promise<void>;
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
    flush: () => file.sync(),
    close: () => file.close(),
  };
}

/** Where the last whole line ends that is not of a later step. */
async function endOf(step: number, path: string): Promise<number> {
  const bytes = await readFile(path);
  let end = 0;
  for (let next = bytes.indexOf(newline); next >= 0; next = bytes.indexOf(newline, end)) {
    const logged = stepOf(bytes.subarray(end, next));
    if (logged === undefined || logged > step) break;
    end = next + 1;
  }
  return end;
}

function stepOf(line: Uint8Array): number | undefined {
  try {
    const { step } = JSON.parse(new TextDecoder().decode(line)) as { step?: unknown };
    return typeof step === 'number' ? step : undefined;
  } catch {
    return undefined; // what a power cut left
  }
}
