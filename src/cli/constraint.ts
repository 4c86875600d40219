/** The options that say what form an answer has. */

import { readJson } from '../checkpoint/index.js';
import { parseJson, QuintetError } from '../tensor/index.js';
import type { ConstraintSpec } from '../text/index.js';
import { UsageError } from './failures.js';

export interface ConstraintOptions {
  /** A file, or the schema itself. */
  readonly jsonSchema?: string;
  readonly regex?: string;
  readonly choices?: readonly string[];
}

/** What they ask for; undefined where they ask for nothing. */
export async function constraintOf(options: ConstraintOptions): Promise<ConstraintSpec | undefined> {
  const { jsonSchema, regex, choices } = options;
  const given = [jsonSchema, regex, choices].filter((option) => option !== undefined);
  if (given.length > 1)
    throw new UsageError('an answer has one form: give one of --json-schema, --regex and --choices');
  if (regex !== undefined) return { regex };
  if (choices !== undefined) return { choices };
  if (jsonSchema === undefined) return undefined;
  if (/^\s*(\{|true|false)/.test(jsonSchema)) return { json: parseJson(jsonSchema, '--json-schema') };
  try {
    return { json: await readJson(jsonSchema) };
  } catch (error) {
    if (!(error instanceof QuintetError) || error.code !== 'not-found') throw error;
    throw new UsageError(`no such schema: ${jsonSchema}\n  Give a file, or the schema itself: '{"type": "object", …}'`);
  }
}
