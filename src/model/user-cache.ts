/** What Quintet keeps in the user's own cache; the environment says where that is. */

import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where packed weights are kept. */
export const weightsCache = (environment: Environment): string => join(userCache(environment), 'weights');

/** Where shipped models are kept that the package does not hold. */
export const modelsCache = (environment: Environment): string => join(userCache(environment), 'models');

function userCache({ QUINTET_CACHE: own, XDG_CACHE_HOME: caches }: Environment): string {
  return own || join(caches || join(homedir(), '.cache'), 'quintet');
}
