/**
 * How long a newcomer waits: clones this repository into an empty folder, runs `npm ci` and `npm start` there, and tells when the
 * first word of the answer came and what the program says of its speed. `npx tsx scripts/smol/first-answer.ts`, with npm's cache
 * filled and what is to be tried committed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'quintet-first-'));
const clone = join(folder, 'quintet');
const told = (what: string, from: number): void => {
  console.log(`${what}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
};
try {
  execFileSync('git', ['clone', '--quiet', fileURLToPath(new URL('../..', import.meta.url)), clone]);
  const started = performance.now();
  execFileSync('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: clone, stdio: 'ignore' });
  told('dependencies installed', started);
  const begun = performance.now();
  // What the program packs on its first run is not there yet either.
  const child = spawn('npm', ['start'], { cwd: clone, env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') } });
  let said = '';
  let first = true;
  child.stdout.on('data', (piece: Buffer) => {
    said += piece.toString();
    if (!first || !/ looks at [^\n]*\n> [^\n]*\n\S/.test(said)) return;
    first = false;
    told('first word after npm start', begun);
    told('first word after npm ci && npm start', started);
  });
  child.stderr.on('data', (piece: Buffer) => process.stdout.write(piece));
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0 || first) throw new Error(`npm start ended with ${code}, and no answer was seen:\n${said}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
