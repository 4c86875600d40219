/**
 * Makes `models/smol` from nothing: `npm run train:smol`. Stopped at any moment, it goes on from there; what a stage has made
 * is in `runs/smol` and is not made again.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));

/** Each with its arguments, in order. */
const stages: readonly (readonly [script: string, ...args: string[]])[] = [
  ['../fetch-weights.ts', 'efficientnet-lite0', 'smollm2'],
  ['make-views.ts'],
  ['train-names.ts'],
  ['compose.ts'],
  ['train-answers.ts'],
  ['evaluate.ts', '--limit', '60'],
  ['tell.ts', '--card'],
  ['../list-models.ts'],
];

const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
console.log(
  `${stages.length} stages, three to four hours of two cores; 3 GB in runs/smol. Stopped at any moment, it goes on from there. What is in models/smol is replaced.`,
);
if (values.help) {
  console.log(stages.map((stage, i) => `  ${i + 1}. ${stage.join(' ')}`).join('\n'));
  process.exit(0);
}
const started = performance.now();
for (const [script, ...args] of stages) {
  console.log(`\n== ${script} ${args.join(' ')}`);
  // With the loader that runs this script.
  const { status } = spawnSync(process.execPath, [...process.execArgv, join(here, script), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  console.log(`== ${((performance.now() - started) / 60_000).toFixed(1)} minutes so far`);
}
