/** The report of one or several runs, from their folders. */

import { QuintetError } from '../../tensor/index.js';
import { reportPage } from './page.js';
import { readRun } from './read-run.js';
import { mostRuns } from './style.js';

/** An HTML page about the runs in some folders, as they are now. */
export async function report(folders: readonly string[]): Promise<string> {
  if (folders.length > mostRuns) {
    throw new QuintetError('limit', `${folders.length} runs; at most ${mostRuns} can be told apart side by side`);
  }
  return reportPage(await Promise.all(folders.map(readRun)));
}
