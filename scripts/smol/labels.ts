/** What is known of the pictures that Smol learns from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder } from './places.js';

/** A line of `labels.jsonl`. */
export interface Label {
  /** Path within the data folder. */
  readonly image: string;
  readonly kind: 'single' | 'scene' | 'flag';
  /** The thing's name; of a flag its country's. Scenes have none. */
  readonly concept: string | null;
  readonly style: string;
  readonly background: string | null;
  /** The thing's main colour, where it has one. */
  readonly color: string | null;
  /** Of a scene, what lies in each of its ninths, in reading order. */
  readonly cells: readonly (string | null)[] | null;
}

/** What pictures and their parts can be called. */
export interface Names {
  readonly concepts: readonly string[];
  readonly flags: readonly string[];
  readonly colours: readonly string[];
}

export function readLabels(folder = dataFolder): Label[] {
  return lines(join(folder, 'labels.jsonl')).map((line) => JSON.parse(line) as Label);
}

export const lines = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');

/** The names that labels use, in the order of the alphabet. */
export function namesIn(labels: readonly Label[]): Names {
  const sorted = (values: Iterable<string | null>): string[] =>
    [...new Set(values)].filter((value) => value !== null).sort();
  return {
    concepts: sorted(
      labels.flatMap(({ kind, concept, cells }) => (kind === 'flag' ? [] : [concept, ...(cells ?? [])])),
    ),
    flags: sorted(labels.filter(({ kind }) => kind === 'flag').map(({ concept }) => concept)),
    colours: sorted(labels.flatMap(({ background, color }) => [background, color])),
  };
}
