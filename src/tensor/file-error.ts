/** Errors of the file system: in words what their codes mean, and what can be done. */

import { QuintetError } from './errors.js';

/** Codes of a path that leads to no file, whatever the machine. */
const nowhere: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

const room = 'Make room, or name a place on another disk';
const rights = 'Give your user the right to it, or name another place';
const limit = 'Raise the limit of the shell (`ulimit -n`), or put what is read into fewer files';

const reasons: Readonly<Record<string, readonly [reason: string, hint?: string]>> = {
  ENOSPC: ['the disk is full', room],
  EDQUOT: ['the disk quota is used up', room],
  EACCES: ['permission denied', rights],
  EPERM: ['permission denied', rights],
  EROFS: ['the file system is read-only', 'Name another place'],
  EISDIR: ['it is a folder'],
  ELOOP: ['the symbolic links turn in a circle'],
  EMFILE: ['too many open files', limit],
  ENFILE: ['too many open files', limit],
};

/** Whether a path leads nowhere, and not to what cannot be read. */
export const isNowhere = (cause: unknown): boolean => nowhere.has((cause as NodeJS.ErrnoException).code ?? '');

export interface FileFailure {
  /** What is said of a path that leads nowhere; default that there is no such file. */
  readonly missing?: string;
  /** What failed with it, before the reason. */
  readonly failed?: string;
}

/** An error of the file system as 'not-found' or 'io'. */
export function fileError(path: string, cause: unknown, { missing = 'no such file', failed }: FileFailure = {}) {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const [reason, hint] = reasons[code] ?? [isNowhere(cause) ? missing : message];
  return new QuintetError(
    isNowhere(cause) ? 'not-found' : 'io',
    failed === undefined ? reason : `${failed}: ${reason}`,
    {
      at: path,
      cause,
      ...(hint === undefined ? {} : { hint }),
    },
  );
}
