/** The lines of a plain text, each a record with the field `text`. */

import { fields } from '../../tensor/index.js';
import { openLines } from './json-records.js';
import type { Records } from './records.js';

export const openText = (path: string): Promise<Records> => openLines(path, (text, at) => fields({ text }, at));
