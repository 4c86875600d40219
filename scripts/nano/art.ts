/**
 * The emoji art that the pictures are made of: fetched once as npm packages, checked against pinned hashes.
 *
 * The packages are data for making the training pictures, so they are no dependencies of Quintet.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { QuintetError } from '../../src/tensor/index.js';

/** An npm package as it was published. */
export interface PinnedPackage {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
}

export interface ArtStyle extends PinnedPackage {
  /** Styles of `train` are drawn in training; the others only ever in an evaluation. */
  readonly role: 'train' | 'unseen-style' | 'unseen-outline-style';
}

export const artStyles: readonly ArtStyle[] = [
  {
    name: 'noto',
    package: '@iconify-json/noto',
    version: '1.2.9',
    integrity: 'sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
    role: 'train',
  },
  {
    name: 'noto-v1',
    package: '@iconify-json/noto-v1',
    version: '1.2.5',
    integrity: 'sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==',
    role: 'train',
  },
  {
    name: 'twemoji',
    package: '@iconify-json/twemoji',
    version: '1.2.5',
    integrity: 'sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==',
    role: 'train',
  },
  {
    name: 'fluent-emoji',
    package: '@iconify-json/fluent-emoji',
    version: '1.2.7',
    integrity: 'sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==',
    role: 'train',
  },
  {
    name: 'fluent-emoji-flat',
    package: '@iconify-json/fluent-emoji-flat',
    version: '1.2.6',
    integrity: 'sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==',
    role: 'train',
  },
  {
    name: 'fxemoji',
    package: '@iconify-json/fxemoji',
    version: '1.2.2',
    integrity: 'sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==',
    role: 'train',
  },
  {
    name: 'streamline-emojis',
    package: '@iconify-json/streamline-emojis',
    version: '1.2.4',
    integrity: 'sha512-iNr9T9XuZVTyQPJO8ZlLxBzPkpi7qMl+z1l0C31vpEMqhPMelth3n7CeWQYtixdetDPdI81yeG4ROqjWpYJE6A==',
    role: 'train',
  },
  {
    name: 'emojione',
    package: '@iconify-json/emojione',
    version: '1.2.3',
    integrity: 'sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==',
    role: 'unseen-style',
  },
  {
    name: 'openmoji',
    package: '@iconify-json/openmoji',
    version: '1.2.29',
    integrity: 'sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==',
    role: 'unseen-outline-style',
  },
];

/** Where downloads, sprites and generated data go; ignored by git. */
export const cacheFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.cache', 'nano');

interface IconData {
  readonly body: string;
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}

export interface IconSet {
  readonly icons: Readonly<Record<string, IconData>>;
  readonly aliases?: Readonly<Record<string, { readonly parent: string }>>;
  readonly width?: number;
  readonly height?: number;
}

/** The icons of a style, from the cache or the configured npm registry. Throws `integrity` when the bytes differ. */
export function loadIcons(style: ArtStyle): IconSet {
  return JSON.parse(readFileSync(join(packageFolder(style), 'icons.json'), 'utf8')) as IconSet;
}

/** The folder of a package's files, fetched where it is not there. Throws `integrity` when the bytes differ. */
export function packageFolder(pinned: PinnedPackage): string {
  const folder = join(cacheFolder, 'art', `${pinned.name}-${pinned.version}`);
  if (!existsSync(join(folder, 'package'))) unpack(pinned, folder);
  return join(folder, 'package');
}

function unpack(style: PinnedPackage, folder: string): void {
  const downloads = join(cacheFolder, 'downloads');
  mkdirSync(downloads, { recursive: true });
  const packed = execFileSync('npm', ['pack', `${style.package}@${style.version}`, '--silent', '--json'], {
    cwd: downloads,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed.toString()) as [{ filename: string }];
  const archive = join(downloads, filename.replace('@', '').replace('/', '-'));
  const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (hash !== style.integrity)
    throw new QuintetError('integrity', `the archive is ${hash}, expected ${style.integrity}`, {
      at: `${style.package}@${style.version}`,
      hint: `delete ${archive} and try again`,
    });
  const temporary = `${folder}.partial`;
  mkdirSync(temporary, { recursive: true });
  execFileSync('tar', ['xzf', archive, '-C', temporary]);
  renameSync(temporary, folder);
}

/** The first of these names that the set has, as a standalone SVG text of 256 by 256; undefined when it has none. */
export function iconSvg(set: IconSet, names: readonly string[], except: readonly string[] = []): string | undefined {
  for (const name of names.flatMap((known) => [known, known.replaceAll('-', ''), `${known}-1`])) {
    const icon = set.icons[set.aliases?.[name]?.parent ?? name];
    if (icon === undefined || except.includes(name)) continue;
    const width = icon.width ?? set.width ?? 16;
    const height = icon.height ?? set.height ?? 16;
    const view = `${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}`;
    const spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
    return `<svg ${spaces} viewBox="${view}" width="256" height="256">${icon.body}</svg>`;
  }
  return undefined;
}
