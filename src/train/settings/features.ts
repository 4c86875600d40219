/**
 * Whether what frozen parts make of pictures is kept on the disk.
 *
 *     cacheFeatures: 20GB       # at most; or true, or false; default: at most 8GB, where samples come more than once
 */
import { type Fields, QuintetError } from '../../tensor/index.js';
import { bytesOfSize } from './size.js';

export interface CacheFeatures {
  /** Whether the file asks for it: an error where it cannot be. */
  readonly asked: boolean;
  /** Bytes. */
  readonly limit: number;
}

const usual = 8e9;

export function featuresOf(stage: Fields): CacheFeatures {
  const value = stage.raw.cacheFeatures;
  if (value === undefined) return { asked: false, limit: usual };
  if (typeof value === 'boolean') return { asked: value, limit: value ? usual : 0 };
  const limit = bytesOfSize(String(value));
  if (limit !== undefined) return { asked: true, limit };
  throw new QuintetError('config', `expected true, false or a size such as 20GB, got ${JSON.stringify(value)}`, {
    at: `${stage.at}.cacheFeatures`,
  });
}
