/** `model.safetensors.index.json`: which shard holds which tensor. */

import { QuintetError } from '../tensor/index.js';
import { JsonScanner, quoted } from './json-scanner.js';
import type { SafetensorsEntry } from './safetensors.js';
import { isPlainName } from './weights-file.js';

export interface ShardIndex {
  readonly at: string;
  /** Tensor name to file name. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** The file names, each once, in the order of their names. */
  readonly shards: readonly string[];
}

/** The largest index that is read: 64 MB name a million tensors. */
export const largestIndex = 2 ** 26;

/** The most problems that one message lists. */
const reported = 40;

/**
 * The index of a sharded checkpoint. Shards are plain file names beside the index that end in `.safetensors`: a path that
 * leaves the folder, or an index that names an index, is refused. All such entries are told in one error.
 */
export function parseShardIndex(text: string, at: string): ShardIndex {
  const scanner = new JsonScanner(text, at);
  const shardOf = new Map<string, string>();
  let found = false;
  scanner.object((key) => {
    if (key !== 'weight_map') return scanner.skip();
    found = true;
    scanner.object((name) => shardOf.set(name, scanner.string()));
  });
  scanner.end();
  if (!found || shardOf.size === 0) throw new QuintetError('format', 'no entries in "weight_map"', { at });
  const shards = [...new Set(shardOf.values())].sort();
  const problems = shards.filter((shard) => !isShard(shard)).map((shard) => `${quoted(shard)} is no shard`);
  report(problems, at, 'Shards are files named *.safetensors beside the index.');
  return { at, shardOf, shards };
}

const isShard = (name: string): boolean => isPlainName(name) && name.endsWith('.safetensors');

/**
 * Compares what the shards hold with what the index says. `found` has the tensors of each shard that could be opened,
 * `problems` what is already known to be wrong; one error lists both.
 */
export function checkShards(
  index: ShardIndex,
  found: ReadonlyMap<string, readonly SafetensorsEntry[]>,
  problems: string[],
): void {
  const holders = new Map<string, string[]>();
  for (const [shard, entries] of found) {
    for (const { name } of entries) {
      const before = holders.get(name);
      if (before === undefined) holders.set(name, [shard]);
      else before.push(shard);
    }
  }
  for (const [name, shard] of index.shardOf) {
    const holding = holders.get(name) ?? [];
    if (holding.includes(shard) || !found.has(shard)) continue;
    problems.push(
      `tensor ${quoted(name)} is not in ${shard}${holding.length > 0 ? ` but in ${holding.join(', ')}` : ''}`,
    );
  }
  for (const [name, holding] of holders) {
    if (holding.length > 1) problems.push(`tensor ${quoted(name)} is in ${holding.join(' and in ')}`);
    if (!index.shardOf.has(name)) problems.push(`tensor ${quoted(name)} in ${holding[0]} is not in the index`);
  }
  report(problems, index.at, 'The index and its shards do not belong together: download or save them again.');
}

function report(problems: readonly string[], at: string, hint: string): void {
  if (problems.length === 0) return;
  const listed = problems.slice(0, reported).map((problem) => `\n  ${problem}`);
  if (problems.length > reported) listed.push(`\n  and ${problems.length - reported} more`);
  throw new QuintetError('format', `${problems.length} problems in a sharded checkpoint:${listed.join('')}`, {
    at,
    hint,
  });
}
