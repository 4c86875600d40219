/**
 * What of a run file says which samples a stage sees:
 *
 *     data: chats.jsonl            # or shards-{000..127}.tar, train-*.parquet, captions.csv, a folder with metadata.jsonl
 *     pictures: coco               # the folder that pictures are relative to; default that of the file
 *     format: csv                  # json, csv, tar, parquet or text; default: what the file looks like
 *     badShare: 0.01               # the part of the samples that may be unusable before the run stops
 *     groupByLength: true          # samples of like length in one batch, which wastes less on padding
 *
 * or, of several, which each give their share of the samples (default: all that they have):
 *
 *     data:
 *       - { path: chats.jsonl, weight: 3 }
 *       - { path: captions.csv, pictures: coco, weight: 1 }
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type Dataset,
  type FormatName,
  formatNames,
  type MixedDataset,
  mixDatasets,
  openDataset,
} from '../../data/index.js';
import { closeAll, closeOnFailure, type Fields, QuintetError } from '../../tensor/index.js';
import { positive, refuseUnknown, share } from './fields.js';

export interface DataSource {
  /** Absolute. */
  readonly path: string;
  /** Absolute path of the folder that its pictures are in. */
  readonly pictures?: string;
  readonly format?: FormatName;
  /** Beside those of the other sources. */
  readonly weight?: number;
}

export interface DataSettings {
  readonly data: readonly DataSource[];
  readonly badShare?: number;
  readonly groupByLength?: boolean;
}

/** Fields by which samples are named, also samples that are only looked at. */
export const sourceFields = ['data', 'pictures', 'format'] as const;
export const dataFields = [...sourceFields, 'badShare', 'groupByLength'] as const;

/** Paths are relative to `folder`. */
export function dataOf(stage: Fields, folder: string): DataSettings {
  return {
    data: sourcesOf(stage, folder),
    ...(stage.has('badShare') ? { badShare: share(stage, 'badShare') } : {}),
    ...(stage.flag('groupByLength', false) ? { groupByLength: true } : {}),
  };
}

/** The sources that `data` names, with a folder of pictures and a format for those that have none of their own. */
export function sourcesOf(stage: Fields, folder: string): readonly DataSource[] {
  const shared = detailsOf(stage, folder);
  if (!Array.isArray(stage.raw.data)) return [{ path: resolve(folder, stage.text('data')), ...shared }];
  const sources = stage.objects('data').map((source): DataSource => {
    refuseUnknown(source, ['path', 'pictures', 'format', 'weight']);
    const weight = source.has('weight') ? { weight: positive(source, 'weight') } : {};
    return { path: resolve(folder, source.text('path')), ...shared, ...detailsOf(source, folder), ...weight };
  });
  const weights = sources.filter(({ weight }) => weight !== undefined).length;
  if (sources.length > 0 && (weights === 0 || weights === sources.length)) return sources;
  const why = sources.length === 0 ? 'there is no data' : 'some sources have a weight and some have none';
  throw new QuintetError('config', why, { at: `${stage.at}.data` });
}

function detailsOf(source: Fields, folder: string): Pick<DataSource, 'pictures' | 'format'> {
  return {
    ...(source.has('pictures') ? { pictures: resolve(folder, source.text('pictures')) } : {}),
    ...(source.has('format') ? { format: source.choice('format', formatNames) } : {}),
  };
}

/** Opens sources, as a mixture where there are several. */
export async function openSources(sources: readonly DataSource[]): Promise<Dataset> {
  const opened: MixedDataset[] = [];
  const close = (): Promise<void> => closeAll(...opened.map(({ dataset }) => dataset));
  return closeOnFailure([{ close }], async () => {
    for (const { path, pictures, format, weight } of sources) {
      if (pictures !== undefined) await requireFolder(pictures);
      const options = { ...(pictures === undefined ? {} : { pictures }), ...(format ? { format } : {}) };
      opened.push({ dataset: await openDataset(path, options), ...(weight === undefined ? {} : { weight }) });
    }
    return mixDatasets(opened);
  });
}

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new QuintetError('not-found', 'no such folder of pictures', { at: path });
}
