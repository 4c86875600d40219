/** The browser of browser tests, which are skipped where there is none. */

import { existsSync } from 'node:fs';

const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of a Chromium: what the environment variable CHROMIUM names, or one in a usual place. */
export const chromiumPath: string | undefined = [process.env.CHROMIUM, ...known].find(
  (path) => path !== undefined && existsSync(path),
);
