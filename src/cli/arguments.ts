/** Reading of options and arguments; what cannot be read is a mistake in the call. */

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { UsageError } from './failures.js';

/** A whole number of at least `least`. */
export const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} on.`);
  };

/** A number between two others, both included. */
export const between =
  (least: number, most = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most && Number.isFinite(value)) return value;
    throw new InvalidArgumentError(
      most === Number.POSITIVE_INFINITY
        ? `Expected a number from ${least} on.`
        : `Expected a number from ${least} to ${most}.`,
    );
  };

/** Names between commas. An option that is given again adds to them. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  const found = split(text);
  if (found.length === 0) throw new InvalidArgumentError('Expected names between commas.');
  return [...before, ...found];
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
    throw new UsageError(
      `two prompts: "${prompt}" and "${second}"\n  Put quotation marks around a prompt of several words.`,
    );
  }
  return { pictures, prompt };
}

async function isPicture(argument: string): Promise<boolean> {
  if (/^https?:\/\/\S+$/i.test(argument)) {
    throw new UsageError(
      `pictures are not fetched from addresses: ${argument}\n  Download it first and give its path.`,
    );
  }
  if (/^(?:data|file):\S+$/i.test(argument)) return true;
  if (existsSync(argument) && (await stat(argument)).isFile()) return true;
  if (!/\s/.test(argument) && pictureEnding.test(argument)) throw new UsageError(`no such picture: ${argument}`);
  return false;
}
