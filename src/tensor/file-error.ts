/** Errors of the file system: in words what their codes mean, and what can be done. */

import { QuintetError } from './errors.js';

const room = 'Make room, or name a place on another disk';
const rights = 'Give your user the right to it, or name another place';
const limit = 'Raise the limit of the shell (`ulimit -n`), or put what is read into fewer files';

interface Meaning {
  /** Default: of a path that leads nowhere what the caller says, of any other what the system says. */
  readonly reason?: string;
  readonly hint?: string;
  /** Whether a path leads to no file, whatever the machine. */
  readonly nowhere?: true;
}

const meanings: Readonly<Record<string, Meaning>> = {
  ENOENT: { nowhere: true },
  ENOTDIR: { nowhere: true },
  ENAMETOOLONG: { nowhere: true, reason: 'the name is too long' },
  ELOOP: { nowhere: true, reason: 'the symbolic links turn in a circle' },
  ENOSPC: { reason: 'the disk is full', hint: room },
  EDQUOT: { reason: 'the disk quota is used up', hint: room },
  EACCES: { reason: 'permission denied', hint: rights },
  EPERM: { reason: 'permission denied', hint: rights },
  EROFS: { reason: 'the file system is read-only', hint: 'Name another place' },
  EEXIST: { reason: 'it is there already' },
  EPIPE: { reason: 'nobody reads it any more' },
  EISDIR: { reason: 'it is a folder' },
  EMFILE: { reason: 'too many open files', hint: limit },
  ENFILE: { reason: 'too many open files', hint: limit },
};

const meaningOf = (cause: unknown): Meaning => meanings[(cause as NodeJS.ErrnoException).code ?? ''] ?? {};

/** Whether a path leads nowhere, and not to what cannot be read. */
export const isNowhere = (cause: unknown): boolean => meaningOf(cause).nowhere ?? false;

export interface FileFailure {
  /** What is said of a path that leads nowhere; default that there is no such file. */
  readonly missing?: string;
  /** What failed with it, before the reason. */
  readonly failed?: string;
}

/** An error of the file system as 'not-found' or 'io'; one that is in words already stays as it is. */
export function fileError(
  path: string,
  cause: unknown,
  { missing = 'no such file', failed }: FileFailure = {},
): QuintetError {
  if (cause instanceof QuintetError) return cause;
  const { nowhere = false, reason = nowhere ? missing : (cause as Error).message, hint } = meaningOf(cause);
  return new QuintetError(nowhere ? 'not-found' : 'io', failed === undefined ? reason : `${failed}: ${reason}`, {
    ...{ at: path, cause },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The same of what is to be written: where its path leads nowhere, a folder is missing. */
export const writeError = (path: string, cause: unknown, failed?: string): QuintetError =>
  fileError(path, cause, { missing: 'there is no folder to write it to', ...(failed === undefined ? {} : { failed }) });
