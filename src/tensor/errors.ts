/** The one error class: where it happened, what is wrong, and what to do next. */

export type ErrorCode =
  | 'shape' // dimensions that do not fit together, found while tracing
  | 'dtype'
  | 'name' // a parameter, input, part or option that does not exist
  | 'config' // a field of a config.json, recipe or run file
  | 'format' // a malformed or hostile file
  | 'limit' // a well-formed input that exceeds a published limit
  | 'weights' // a checkpoint that does not fit its system
  | 'media' // a picture that cannot be decoded
  | 'template'
  | 'tokenizer'
  | 'network'
  | 'not-found'
  | 'io'
  | 'integrity' // bytes that are not what their checksum says
  | 'engine' // ONNX Runtime refused or failed
  | 'aborted'
  | 'numeric' // a loss or logit that is not finite
  | 'data' // a training example
  | 'constraint' // a schema, pattern or list of choices that answers cannot be held to
  | 'unsupported';

export interface ErrorDetails {
  /** Where: a file with an offset, a scope path, a line. */
  readonly at?: string;
  /** What to do next. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class QuintetError extends Error {
  override readonly name = 'QuintetError';
  readonly code: ErrorCode;
  readonly at: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, { at, hint, cause }: ErrorDetails = {}) {
    const where = at === undefined ? '' : `${at}: `;
    const next = hint === undefined ? '' : `\n  ${hint}`;
    super(`${where}${message}${next}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.at = at;
    this.hint = hint;
  }
}

/** The error as one of something that it is within, whose place it lacks; what is no error of ours stays as it is. */
export const placed = (error: unknown, at: string): unknown =>
  error instanceof QuintetError ? new QuintetError(error.code, error.message, { at, cause: error }) : error;

/** The known name that was perhaps meant, for error messages: one that begins as it was typed, or else the nearest. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const all = [...known];
  const begun = all.filter((candidate) => candidate.toLowerCase().startsWith(name.toLowerCase()));
  if (name.length > 1 && begun.length > 0) return begun.reduce((a, b) => (b.length < a.length ? b : a));
  let best: string | undefined;
  let bestDistance = Math.max(3, Math.ceil(name.length / 2));
  for (const candidate of all) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
