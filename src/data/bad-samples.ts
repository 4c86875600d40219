/** The report of samples that could not be used: one JSON object a line, each sample once, also over several runs. */

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type QuintetError, writeError } from '../tensor/index.js';

/** Appends to a file, which is made with the first sample. */
export function badSamplesReport(path: string): (error: QuintetError) => void {
  let told: Set<string> | undefined;
  return (error) => {
    const line = JSON.stringify({ code: error.code, message: error.message });
    told ??= new Set(linesOf(path));
    if (told.has(line)) return;
    told.add(line);
    // Synchronously, the folder too: the run may be about to end because of this very sample.
    try {
      mkdirSync(dirname(path), { recursive: true });
      appendFileSync(path, `${line}\n`);
    } catch (cause) {
      throw writeError(path, cause);
    }
  };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // none yet
  }
}
