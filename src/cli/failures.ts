/** How a command ends that did not go well. */

import { CommanderError } from 'commander';
import { QuintetError } from '../tensor/index.js';
import { printable } from './terminal.js';

/** A mistake in how a command was called. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const exitCodes = { failure: 1, usage: 2, interrupted: 130 } as const;

/** Says on the standard error what went wrong, and returns the exit code. The stack is shown with `debug` only. */
export function report(error: unknown, { debug = false }: { readonly debug?: boolean } = {}): number {
  // Commander has said it already; showing help or the version counts as success.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  const { code, text } = describe(error);
  if (text !== '') process.stderr.write(`${printable(text, process.stderr)}\n`);
  if (debug && error instanceof Error) process.stderr.write(`\n${stackOf(error)}\n`);
  return code;
}

function describe(error: unknown): { readonly code: number; readonly text: string } {
  if (isAbort(error)) return { code: exitCodes.interrupted, text: '' };
  if (error instanceof UsageError) return { code: exitCodes.usage, text: `error: ${error.message}` };
  if (error instanceof QuintetError) return { code: exitCodes.failure, text: `error: ${error.message}` };
  if (error instanceof AggregateError) {
    const text = error.errors.map((each) => describe(each).text).join('\n');
    return { code: exitCodes.failure, text };
  }
  const message = error instanceof Error ? error.message : String(error);
  const isSystem = error instanceof Error && 'syscall' in error;
  const next = isSystem
    ? ''
    : '\n  This should not happen. Run the command again with --debug, and report what it says.';
  return { code: exitCodes.failure, text: `error: ${message}${next}` };
}

function isAbort(error: unknown): boolean {
  if (error instanceof QuintetError) return error.code === 'aborted';
  return error instanceof Error && error.name === 'AbortError';
}

function stackOf(error: Error): string {
  const { cause, stack = error.message } = error;
  return cause instanceof Error ? `${stack}\ncaused by ${stackOf(cause)}` : stack;
}
