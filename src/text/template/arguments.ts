/** Reading the arguments of functions, methods, filters and tests. */

import { type Arguments, failure, isUndefined, numberOf, typeName, type Value } from './values.js';

export interface Reader {
  /** The argument of this name, by position as the names are listed. */
  value(name: string): Value | undefined;
  required(name: string): Value;
  text(name: string, otherwise?: string): string;
  whole(name: string, otherwise?: number): number;
  flag(name: string, otherwise: boolean): boolean;
}

/** Binds arguments to names, as a Python call does. */
export function readArguments(what: string, args: Arguments, names: readonly string[]): Reader {
  if (args.positional.length > names.length) throw failure(`${what} takes at most ${names.length} arguments`);
  for (const name of args.named.keys()) {
    if (!names.includes(name)) throw failure(`${what} has no argument "${name}"`);
  }
  const value = (name: string): Value | undefined => {
    const found = args.named.get(name) ?? args.positional[names.indexOf(name)];
    return found !== undefined && isUndefined(found) ? undefined : found;
  };
  const wrong = (name: string, expected: string, found: Value | undefined): Error => {
    return failure(`${what}: ${name} must be ${expected}, not ${found === undefined ? 'missing' : typeName(found)}`);
  };
  return {
    value,
    required(name) {
      const found = value(name);
      if (found === undefined) throw wrong(name, 'given', found);
      return found;
    },
    text(name, otherwise) {
      const found = value(name) ?? otherwise;
      if (typeof found !== 'string') throw wrong(name, 'a string', found);
      return found;
    },
    whole(name, otherwise) {
      const found = value(name);
      const number = found === undefined || found === null ? otherwise : numberOf(found);
      if (number === undefined || !Number.isSafeInteger(number)) throw wrong(name, 'a whole number', found);
      return number;
    },
    flag(name, otherwise) {
      const found = value(name) ?? otherwise;
      if (typeof found !== 'boolean') throw wrong(name, 'true or false', found);
      return found;
    },
  };
}
