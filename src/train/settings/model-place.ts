/** Where a run file finds a model. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** A path relative to the file's folder, or else to where the program was started; a hub name as it is. */
export function modelPlace(written: string, folder: string): string {
  const places = [resolve(folder, written), resolve(written)];
  return places.find((place) => existsSync(place)) ?? (/^[./~]|\\/.test(written) ? (places[0] as string) : written);
}
