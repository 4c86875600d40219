/** The machine that a benchmark ran on. */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { isRealtimeAllowed } from './child.js';
import { projectFolder } from './paths.js';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Vector extensions that matter to products of matrices. */
  readonly features: readonly string[];
  /** In GiB. */
  readonly memory: number;
  readonly governor: string | undefined;
  /** Whether contenders run with real-time priority. */
  readonly realtime: boolean;
  /** Processes that wanted to run in the last minute. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string>>;
}

const known = ['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_int8', 'asimd', 'i8mm', 'sve'];

export function describeMachine(): Machine {
  const text = readIfThere('/proc/cpuinfo') ?? '';
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? []);
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    features: known.filter((name) => flags.has(name)),
    memory: Math.round(totalmem() / 2 ** 30),
    governor: readIfThere('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')?.trim(),
    realtime: isRealtimeAllowed(),
    load: loadavg()[0] as number,
    versions: versions(),
  };
}

/** Of Node, of what Quintet runs on, and of the others where they are installed. */
function versions(): Record<string, string> {
  const found: Record<string, string> = { Node: process.versions.node };
  for (const name of ['onnxruntime-node', 'koffi', 'sharp']) found[name] = versionIn('node_modules', name) ?? 'missing';
  for (const name of ['node-llama-cpp', '@huggingface/transformers']) {
    const version = versionIn('bench/node_modules', name);
    if (version) found[name] = version;
  }
  return found;
}

function versionIn(folder: string, name: string): string | undefined {
  const text = readIfThere(join(projectFolder, folder, name, 'package.json'));
  return text === undefined ? undefined : (JSON.parse(text) as { version: string }).version;
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
