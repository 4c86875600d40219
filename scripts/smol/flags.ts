/** Flags of countries, of which each is drawn otherwise than all others. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../nano/art.js';

export interface Flag {
  readonly name: string;
  readonly svg: string;
}

const pinned = {
  name: 'flag-icons',
  package: 'flag-icons',
  version: '7.5.0',
  integrity: 'sha512-kd+MNXviFIg5hijH766tt+3x76ele1AXlo4zDdCxIvqWZhKt4T83bOtxUOOMlTx/EcFdUMH5yvQgYlFh1EqqFg==',
};

/** Territories under the flag of a state, and twins that differ by a shade or by proportions. */
const alike = 'bv sj hm mf um gf gp re yt pm wf bl mq tf io cp ac ta dg ea ic mc td'.split(' ');

/** The file's own names are longer than what they are called. */
const shorter: Readonly<Record<string, string>> = {
  us: 'the United States',
  gb: 'the United Kingdom',
  ae: 'the United Arab Emirates',
  nl: 'the Netherlands',
  ph: 'the Philippines',
  ru: 'Russia',
  kr: 'South Korea',
  kp: 'North Korea',
  cc: 'the Cocos Islands',
  vi: 'the American Virgin Islands',
  vg: 'the British Virgin Islands',
};

/** Names that are said with "the". */
const withArticle = /Islands$|Republic$|^(Isle|Virgin|Gambia|Bahamas|Maldives|Comoros|Seychelles|Philippines|Holy)/;

let known: Flag[] | undefined;

export function readFlags(): readonly Flag[] {
  if (known) return known;
  const folder = packageFolder(pinned);
  const countries = JSON.parse(readFileSync(join(folder, 'country.json'), 'utf8')) as {
    code: string;
    iso: boolean;
    name: string;
    flag_4x3: string;
  }[];
  known = countries
    .filter(({ code, iso }) => iso && !alike.includes(code))
    .map(({ code, name, flag_4x3 }) => ({
      name: shorter[code] ?? (withArticle.test(name) ? `the ${name}` : name),
      svg: readFileSync(join(folder, flag_4x3), 'utf8'),
    }));
  return known;
}
