/** What becomes of a command whose standard output takes no more. */

import { writeError } from '../tensor/index.js';
import { report } from './failures.js';
import { note } from './terminal.js';

type Failure = NodeJS.ErrnoException;

const failed = (error: Failure): Error => writeError('standard output', error);

/** A reader that has seen enough, as `head` does, is no failure. */
const end = (error: Failure): void => process.exit(error.code === 'EPIPE' ? 0 : report(failed(error)));

/** The command ends with its output. */
export function endWithOutput(): void {
  process.stdout.on('error', end);
}

/** The command does work whose result goes elsewhere, and goes on; that nobody is told of it any more is said once. */
export function goOnWithoutOutput(): void {
  let said = false;
  process.stdout.off('error', end).on('error', (error: Failure) => {
    if (!said) note(`${failed(error).message}\n  The run goes on all the same: its log is in its folder.`);
    said = true;
  });
}
