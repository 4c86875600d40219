/**
 * Photographs that Smol is tried on and has never learnt from. They come in packages of Debian and of Python under open
 * licences, are fetched when they are needed, and are not kept here.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Picture } from '../../src/media/index.js';
import type { Random } from '../../src/tensor/index.js';
import { capitalised, some, thereIsNo } from './nouns.js';
import { readBeside, workFolder } from './places.js';
import { type Turn, type Wording, worded } from './wordings.js';

interface Source {
  readonly from: 'debian' | 'python';
  readonly version: string;
  readonly sha256: string;
}

const sources: Readonly<Record<string, Source>> = {
  'tuxpaint-stamps-default': {
    ...{ from: 'debian', version: '2022.06.04-1' },
    sha256: '6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34',
  },
  'opencv-doc': {
    ...{ from: 'debian', version: '4.6.0+dfsg-12' },
    sha256: '4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a',
  },
  'scikit-image': {
    ...{ from: 'python', version: '0.26.0' },
    sha256: '74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af',
  },
  'scikit-learn': {
    ...{ from: 'python', version: '1.9.1' },
    sha256: '52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df',
  },
};

export interface Photograph {
  readonly package: string;
  readonly file: string;
  /** Whether the thing stands alone before white. */
  readonly cutOut: boolean;
  /** Words of which an answer has one, fixed before any answer was seen. */
  readonly accepted: readonly string[];
  /** What is not on it. */
  readonly absent: string;
}

const listed = (): Photograph[] => (readBeside('photographs.json') as { photographs: Photograph[] }).photographs;

export async function loadPhotographs(): Promise<(Photograph & { readonly picture: Picture })[]> {
  const loaded = [];
  for (const photograph of listed()) {
    const { data, info } = await sharp(join(folderOf(photograph.package), photograph.file))
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const square = photograph.cutOut ? squared(data, info.width, info.height) : { ...info, data: new Uint8Array(data) };
    loaded.push({ ...photograph, picture: { width: square.width, height: square.height, data: square.data } });
  }
  return loaded;
}

/** A cut-out in the middle of a white square, with a margin, so that nothing of it is cropped. */
function squared(data: Uint8Array, width: number, height: number): Picture {
  const side = Math.ceil(Math.max(width, height) * 1.1);
  const all = new Uint8Array(side * side * 3).fill(255);
  const [left, top] = [(side - width) >> 1, (side - height) >> 1];
  for (let y = 0; y < height; y++) {
    all.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((y + top) * side + left) * 3);
  }
  return { width: side, height: side, data: all };
}

/**
 * What is asked of a photograph: what it shows, whether something is on it that is, and that is not, where that lies, and what
 * kind of picture it is.
 */
export function photographQuestions(
  { accepted, absent }: Photograph,
  random: Random,
): (Turn & { readonly accepted?: readonly string[]; readonly wording?: Wording })[] {
  const [name = ''] = accepted;
  return [
    { kind: 'describe', question: 'What is in this picture?', answer: name, accepted },
    { kind: 'is-there', question: `Is there ${some(name)} in the picture?`, answer: 'yes' },
    { kind: 'is-there', question: `Is there ${some(absent)} in the picture?`, answer: 'no' },
    { kind: 'where', question: `Where is the ${absent}?`, answer: `${capitalised(thereIsNo(absent))}.` },
    ...(
      [
        ['kind', 'A photo.'],
        ['is-photo', 'Yes, it is a photo.'],
        ['is-drawing', 'No, it is a photo.'],
      ] as const
    ).map(([kind, answer]) => ({ kind, answer, wording: 'new' as const, question: worded(kind, {}, random, 'new') })),
  ];
}

/** The unpacked files of a package, fetched where they are not there. */
function folderOf(name: string): string {
  const { from, version, sha256 } = sources[name] as Source;
  const place = join(workFolder, 'photographs', `${name}-${version}`);
  if (existsSync(place)) return place;
  const temporary = `${place}.partial`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const run = (program: string, args: readonly string[]): void => {
    execFileSync(program, args, { cwd: temporary, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  if (from === 'debian') run('apt-get', ['download', '-q', `${name}=${version}`]);
  else run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', temporary, `${name}==${version}`]);
  const archive = join(temporary, readdirSync(temporary)[0] as string);
  const found = createHash('sha256').update(readFileSync(archive)).digest('hex');
  if (found !== sha256)
    throw new Error(`${archive} has the sha256 ${found}, not ${sha256}: another build of the package`);
  if (from === 'debian') run('dpkg-deb', ['-x', archive, temporary]);
  else run('python3', ['-m', 'zipfile', '-e', archive, temporary]);
  rmSync(archive);
  renameSync(temporary, place);
  return place;
}
