/**
 * Draws the pictures that Smol learns from and writes what its encoder sees of them: `npx tsx scripts/smol/make-views.ts`.
 *
 * Pictures are drawn anew by their number whenever they are needed, so none is kept. Two processes share the work, with
 * `--part 0` and `--part 1`; without, this one starts the other. Stopped at any time, it goes on from there.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadArt } from './art.js';
import { crowdCount, drawPicture, pictureCount, planOf, seedOf } from './pictures.js';
import { workFolder } from './places.js';
import { evaluationPlan, evaluationSeed, evaluations, evaluationViews, viewFiles } from './splits.js';
import { writeViews } from './views.js';

const { values } = parseArgs({ options: { part: { type: 'string' }, pictures: { type: 'string' } } });
const count = Number(values.pictures ?? pictureCount + crowdCount);
const art = await loadArt();

async function makePart(part: number): Promise<void> {
  const parts = viewFiles.length;
  await writeViews(join(workFolder, viewFiles[part] as string), Math.ceil((count - part) / parts), (i) => {
    const index = i * parts + part;
    return drawPicture(planOf(art, index), seedOf(index));
  });
}

if (values.part === undefined) {
  const other = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), '--part', '1', '--pictures', `${count}`],
    { stdio: 'inherit' },
  );
  const ended = new Promise<number | null>((resolve) => other.once('exit', resolve));
  for (const evaluation of evaluations) {
    const { name, count: asked } = evaluation;
    await writeViews(join(workFolder, evaluationViews(name)), asked, (index) =>
      drawPicture(evaluationPlan(art, evaluation, index), evaluationSeed(name, index)),
    );
  }
  await makePart(0);
  if ((await ended) !== 0) throw new Error('the other process has failed');
} else await makePart(Number(values.part));
