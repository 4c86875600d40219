#!/usr/bin/env node
/** The command `quintet`. */

import { writeError } from '../tensor/index.js';
import { report } from './failures.js';
import { createProgram } from './program.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough, as `head` does, is no failure.
  process.exit(error.code === 'EPIPE' ? 0 : report(writeError('standard output', error)));
});
// Remarks that nobody takes any more are no reason to stop the work that they are about.
process.stderr.on('error', () => {});

const program = createProgram();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error, program.opts<{ debug?: boolean }>());
}
