/** Reading of options and arguments; what cannot be read is a mistake in the call. */

import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { UsageError } from './failures.js';

/** A whole number between two others, both included. */
export const whole =
  (least: number, most = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number ${span(least, most)}.`);
  };

const span = (least: number, most: number): string =>
  most === Number.POSITIVE_INFINITY ? `from ${least} on` : `from ${least} to ${most}`;

/** A number between two others, both included. */
export const between =
  (least: number, most = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most && Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`Expected a number ${span(least, most)}.`);
  };

/** Names between commas. An option that is given again adds to them. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  const found = split(text);
  if (found.length === 0) throw new InvalidArgumentError('Expected names between commas.');
  return [...before, ...found];
}

/** Biases of tokens between commas, as `42=-100,7=2.5`. An option that is given again adds to them. */
export function biases(text: string, before: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> {
  const found = text.split(',').map((part) => {
    const [id = '', bias = '', ...more] = part.split('=').map((side) => side.trim());
    if (/^\d+$/.test(id) && bias !== '' && more.length === 0) return [Number(id), between(-100, 100)(bias)] as const;
    throw new InvalidArgumentError('Expected ids of tokens and biases, such as 42=-100,7=2.5.');
  });
  return { ...before, ...Object.fromEntries(found) };
}

/** Cuts at commas outside of braces: `a.{q,v}_proj` is one pattern. */
function split(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '{') depth++;
    if (character === '}') depth--;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** A text that may be given several times. */
export const repeatedly = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const pictureEnding = /\.(png|jpe?g|webp|gif|avif|tiff?|bmp|svg|heic)$/i;

/** The pictures and the prompt among the arguments of a command. */
export async function picturesAndPrompt(
  given: readonly string[],
): Promise<{ readonly pictures: readonly string[]; readonly prompt: string | undefined }> {
  const pictures: string[] = [];
  const texts: string[] = [];
  for (const argument of given) ((await isPicture(argument)) ? pictures : texts).push(argument);
  const [prompt, second] = texts;
  if (second !== undefined) {
    const lost = texts.find((text) => pictureEnding.test(text));
    if (lost !== undefined) throw new UsageError(`no such picture: ${lost}`);
    throw new UsageError(
      `two prompts: "${prompt}" and "${second}"\n  Put quotation marks around a prompt of several words.`,
    );
  }
  return { pictures, prompt: prompt === undefined ? undefined : promptOf(prompt) };
}

/** A prompt that says something. */
export function promptOf(text: string): string {
  if (text.trim() !== '') return text;
  throw new UsageError('the prompt is empty');
}

async function isPicture(argument: string): Promise<boolean> {
  if (/^https?:\/\/\S+$/i.test(argument)) {
    throw new UsageError(
      `pictures are not fetched from addresses: ${argument}\n  Download it first and give its path.`,
    );
  }
  if (/^(?:data|file):\S+$/i.test(argument)) return true;
  const found = await statsOf(argument);
  if (found?.isFile()) return true;
  if (/\s/.test(argument) || !pictureEnding.test(argument)) return false;
  throw new UsageError(found ? `not a file: ${argument}` : `no such picture: ${argument}`);
}

/** What lies at a path; undefined where nothing does. */
const statsOf = (path: string) => stat(path).catch(() => undefined);

/**
 * The picture whose path is all that a line says, as a terminal writes it when a file is dropped there: as it is, within
 * quotation marks, with backslashes before what a shell would read otherwise, or as a file: address.
 */
export async function pictureIn(line: string): Promise<string | undefined> {
  const [, quoted] = /^(?:'(.*)'|"(.*)")$/.exec(line)?.filter((part) => part !== undefined) ?? [];
  const path = quoted ?? line;
  const candidates = [path, path.replace(/\\(.)/g, '$1'), ...(/^file:\/\//i.test(path) ? [fileOf(path)] : [])];
  for (const candidate of candidates) {
    if (pictureEnding.test(candidate) && (await statsOf(candidate))?.isFile()) return candidate;
  }
  return undefined;
}

function fileOf(address: string): string {
  try {
    return fileURLToPath(address);
  } catch {
    return address;
  }
}
