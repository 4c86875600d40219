/** A process that trains as a run file says, and tells each step that it has done. */
import { runFile } from '../../src/train/run.js';

const { folder } = await runFile(process.argv[2] as string, {
  engine: { threads: 1 },
  clock: () => performance.now(),
  memory: () => process.memoryUsage.rss(),
  onStep: (_, { step }) => process.stdout.write(`${step}\n`),
});
process.stdout.write(`done ${folder}\n`);
