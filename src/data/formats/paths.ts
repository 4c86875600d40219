/** The files that a path names: one, the shards of a pattern, or what a folder says of its pictures. */

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError, isNowhere, QuintetError } from '../../tensor/index.js';

/** Files by which a folder of pictures says what they show (https://huggingface.co/docs/datasets/image_load). */
const metadata = ['metadata.jsonl', 'metadata.csv', 'metadata.parquet'];
const mostFiles = 100_000;

/**
 * The files of a path, in order: `shard-{0000..0127}.tar` and `{a,b}.jsonl` as WebDataset writes shards, `*` within the name of
 * a file, or a folder with a metadata file. Throws 'not-found' or 'io'.
 */
export async function filesOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(async (cause) => {
    if (!isNowhere(cause)) throw fileError(path, cause, { failed: 'cannot be opened' });
    if (/[{*]/.test(path)) return undefined;
    const hint = await hubHint(path);
    throw new QuintetError('not-found', 'cannot be opened: no such file', {
      ...{ at: path, cause },
      ...(hint === undefined ? {} : { hint }),
    });
  });
  if (found) return [found.isDirectory() ? await metadataOf(path) : path];
  const files = (await Promise.all(expandBraces(path).map(matching))).flat();
  if (files.length > 0) return files;
  throw new QuintetError('not-found', 'no file is called so', { at: path });
}

/** What to do where a path may be meant as the name of a dataset: owner/name, and there is no folder of the owner. */
async function hubHint(path: string): Promise<string | undefined> {
  const [owner, name] = [dirname(path), basename(path)];
  if (/\.[a-z]+$/i.test(name) || (await stat(owner).catch(() => undefined))) return undefined;
  const command = `hf download ${basename(owner)}/${name} --repo-type dataset --local-dir ${name}`;
  return `A dataset of the Hugging Face hub is downloaded first, ${command}, and its files are named: '${name}/data/train-*.parquet'`;
}

async function metadataOf(folder: string): Promise<string> {
  const names = await namesIn(folder);
  const name = metadata.find((name) => names.includes(name));
  if (name !== undefined) return join(folder, name);
  const data = names.find((name) => /\.(?:parquet|tar|jsonl?|csv)$/.test(name));
  throw new QuintetError('data', `a folder without ${metadata.join(', ')}`, {
    at: folder,
    hint: data
      ? `Name the files instead, as in ${join(folder, `*${data.slice(data.lastIndexOf('.'))}`)}`
      : 'Write a line {"file_name": "cat.jpg", "text": "A cat."} for each picture into metadata.jsonl',
  });
}

/** `a{1..3}` and `a{x,y}` as each of the names that it stands for; numbers keep their leading zeros. */
function expandBraces(path: string): string[] {
  const [whole, inside] = /\{([^{}]*)\}/.exec(path) ?? [];
  if (whole === undefined || inside === undefined) return [path];
  const all: string[] = [];
  for (const choice of choicesOf(inside, path)) {
    for (const one of expandBraces(path.replace(whole, () => choice))) all.push(one);
    if (all.length > mostFiles) throw new QuintetError('limit', `more than ${mostFiles} files`, { at: path });
  }
  return all;
}

function choicesOf(inside: string, path: string): string[] {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(inside) ?? [];
  if (first === undefined || last === undefined) return inside.split(',');
  const count = Number(last) - Number(first) + 1;
  if (!(count > 0 && count <= mostFiles)) throw new QuintetError('limit', `{${inside}} names no files`, { at: path });
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, '0'));
}

/** The files of a folder whose names match, by name. */
async function matching(path: string): Promise<string[]> {
  if (!path.includes('*')) return [path];
  const [folder, name] = [dirname(path), basename(path)];
  const pieces = name.split('*').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`^${pieces.join('.*')}$`);
  return (await namesIn(folder))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name));
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((cause) => {
    throw fileError(folder, cause, { missing: 'no such folder' });
  });
}
