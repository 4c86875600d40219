/**
 * The folder of a stage of a training run: a lock, a log, and checkpoints.
 *
 *     lock
 *     log.jsonl                   one line a step, one an evaluation
 *     events.out.tfevents.…       the same for TensorBoard
 *     checkpoints/step-000200/    see snapshot.ts
 *     checkpoints.1/              put aside, with the log that belongs to it
 *
 * A checkpoint is written under another name and renamed when it has reached the disk, so that at every moment, a power cut
 * included, each `step-` folder is whole. Reading checks it all the same, and falls back to the one before.
 */
import { copyFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePath, makeFolder, syncFolder } from '../checkpoint/index.js';
import { closeAll, closeOnFailure, fileError, QuintetError, writeError } from '../tensor/index.js';
import { type EventFile, openEventFile } from './event-file.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import type { LogRecord } from './log-record.js';
import { openRunLog, type RunLog } from './run-log.js';
import { looksWhole, readSnapshot, type SavedSnapshot, type Snapshot, writeSnapshot } from './snapshot.js';

export interface RunFolderOptions {
  /** How many checkpoints stay; default 2. */
  readonly keep?: number;
}

export interface SaveOptions {
  /** The step whose checkpoint stays besides. */
  readonly best?: number | undefined;
  /** Told once of each older checkpoint that could not be removed. */
  readonly onLeft?: ((error: QuintetError) => void) | undefined;
}

export class RunFolder {
  /** Checkpoints whose bytes are not what their manifest says. */
  readonly #damaged = new Set<string>();
  /** Those that could not be removed. */
  readonly #left = new Set<string>();

  private constructor(
    readonly path: string,
    readonly keep: number,
    private readonly lock: FolderLock,
    private readonly runLog: RunLog,
    private readonly events: EventFile,
  ) {}

  /** Opens or makes the folder and takes its lock. */
  static async open(path: string, { keep = 2 }: RunFolderOptions = {}): Promise<RunFolder> {
    if (!(Number.isInteger(keep) && keep >= 1)) {
      throw new QuintetError('config', `expected to keep 1 checkpoint or more, got ${keep}`, { at: path });
    }
    return writing(path, undefined, async () => {
      await makeFolder(join(path, 'checkpoints'));
      const lock = await lockFolder(path);
      return closeOnFailure([{ close: lock.release }], async () => {
        return new RunFolder(path, keep, lock, await openRunLog(join(path, 'log.jsonl')), openEventFile(path));
      });
    });
  }

  /** Appends a line to the log. */
  log(record: LogRecord): Promise<void> {
    return writing(this.path, 'the log cannot be written', async () => {
      await this.runLog.append(record);
      await this.events.append(record);
    });
  }

  /** Takes what was logged after a step back, before the run goes on from there. */
  rewindLog(step: number): Promise<void> {
    this.events.rewind(step);
    return this.runLog.rewind(step);
  }

  /** What was logged so far. */
  logged(): Promise<LogRecord[]> {
    return this.runLog.records();
  }

  /**
   * Saves a checkpoint, then removes older ones. When this resolves, neither a crash nor a power cut loses it, though an
   * older one may not have been removed.
   */
  async save(snapshot: Snapshot, { best, onLeft = () => {} }: SaveOptions = {}): Promise<void> {
    const all = join(this.path, 'checkpoints');
    const { name, before } = await writing(all, `the checkpoint of step ${snapshot.step} cannot be saved`, async () => {
      await this.runLog.flush();
      const temporary = join(all, 'saving');
      await rm(temporary, { recursive: true, force: true });
      try {
        await writeSnapshot(temporary, snapshot);
      } catch (error) {
        // Why it failed is told, not that it could not be removed.
        await rm(temporary, { recursive: true, force: true }).catch(() => {});
        throw error;
      }
      const before = await readdir(all);
      const name = freeName(snapshot.step, before);
      await rename(temporary, join(all, name));
      await syncFolder(all);
      return { name, before };
    });
    for (const old of await this.#unneeded(name, before, best)) {
      await rm(join(all, old), { recursive: true, force: true }).catch((cause: Error) => {
        if (this.#left.has(old)) return;
        this.#left.add(old);
        onLeft(fileError(join(all, old), cause, { failed: 'this old checkpoint cannot be removed' }));
      });
    }
  }

  /** The newest checkpoint that is whole, or undefined. `onDamaged` hears of each newer one that is not. */
  async latest(onDamaged: (error: QuintetError) => void = () => {}): Promise<SavedSnapshot | undefined> {
    const all = join(this.path, 'checkpoints');
    for (const name of newestFirst(await readdir(all))) {
      try {
        return await readSnapshot(join(all, name));
      } catch (error) {
        // What cannot be read now may be whole: an older one in its place would undo what it holds.
        if (!(error instanceof QuintetError) || error.code === 'io') throw error;
        this.#damaged.add(name);
        onDamaged(error);
      }
    }
    return undefined;
  }

  /** The checkpoint of a step; throws where there is none that is whole. */
  async at(step: number): Promise<SavedSnapshot> {
    const all = join(this.path, 'checkpoints');
    const [name] = newestFirst(await readdir(all)).filter((other) => parseName(other)?.step === step);
    if (name === undefined) throw new QuintetError('not-found', `no checkpoint of step ${step}`, { at: all });
    return readSnapshot(join(all, name));
  }

  /** Puts all checkpoints aside, with a copy of the log; returns the folder that they are in then. */
  putAside(): Promise<string> {
    const all = join(this.path, 'checkpoints');
    return writing(all, 'they cannot be put aside', async () => {
      const aside = await freePath(all);
      await copyFile(join(this.path, 'log.jsonl'), join(all, 'log.jsonl'));
      await rename(all, aside);
      await makeFolder(all);
      this.#damaged.clear();
      return aside;
    });
  }

  async close(): Promise<void> {
    await closeAll(this.events, this.runLog, { close: () => this.lock.release() });
  }

  /** Those of some checkpoints that are neither just saved nor the newest that look whole, nor of the step `best`. */
  async #unneeded(saved: string, names: readonly string[], best: number | undefined): Promise<readonly string[]> {
    const all = join(this.path, 'checkpoints');
    const checkpoints = newestFirst(names);
    const kept = new Set([saved]);
    for (const name of checkpoints) {
      if (kept.size < this.keep && !this.#damaged.has(name) && (await looksWhole(join(all, name)))) kept.add(name);
    }
    return checkpoints.filter((name) => !kept.has(name) && parseName(name)?.step !== best);
  }
}

/** What is written, with errors of the file system in words. */
async function writing<T>(path: string, failed: string | undefined, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw writeError(path, cause, failed);
  }
}

/** `step-000200`, and `step-000200.1` when the step is saved again: no checkpoint is ever replaced. */
function freeName(step: number, taken: readonly string[]): string {
  const name = `step-${String(step).padStart(6, '0')}`;
  const attempts = taken.map(parseName).filter((parsed) => parsed?.step === step);
  const last = Math.max(-1, ...attempts.map((parsed) => parsed?.attempt ?? 0));
  return last < 0 ? name : `${name}.${last + 1}`;
}

function parseName(name: string): { step: number; attempt: number } | undefined {
  const match = /^step-(\d+)(?:\.(\d+))?$/.exec(name);
  return match ? { step: Number(match[1]), attempt: Number(match[2] ?? 0) } : undefined;
}

function newestFirst(names: readonly string[]): string[] {
  return names
    .flatMap((name) => {
      const parsed = parseName(name);
      return parsed ? [{ name, ...parsed }] : [];
    })
    .sort((a, b) => b.step - a.step || b.attempt - a.attempt)
    .map(({ name }) => name);
}
