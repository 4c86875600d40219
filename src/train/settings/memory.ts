/**
 * How much memory the process may take, by which the samples that are computed at once are chosen.
 *
 *     memory: 4GiB
 */
import { type Fields, QuintetError } from '../../tensor/index.js';
import { bytesOfSize } from './size.js';

/** Bytes; undefined where a stage does not say. */
export function memoryLimit(stage: Fields): number | undefined {
  const value = stage.raw.memory;
  if (value === undefined) return undefined;
  const at = `${stage.at}.memory`;
  if (stage.has('microBatch')) {
    throw new QuintetError('config', 'a stage has memory or microBatch, not both: the one chooses the other', { at });
  }
  const bytes = bytesOfSize(String(value));
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new QuintetError('config', `expected a size such as 4GiB, got ${JSON.stringify(value)}`, { at });
}
