#!/usr/bin/env node
/** The command `quintet`. */

import { report } from './failures.js';
import { endWithOutput } from './output.js';
import { createProgram } from './program.js';

endWithOutput();
// Remarks that nobody takes any more are no reason to stop the work that they are about.
process.stderr.on('error', () => {});

const program = createProgram();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error, program.opts<{ debug?: boolean }>());
}
