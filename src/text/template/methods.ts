/** The methods of strings, dicts and lists that templates call. Those that would change a value do not exist. */

import { type Reader, readArguments } from './arguments.js';
import type { Budget } from './budget.js';
import { capitalize, isBlank, pad, replace, split, splitLines, strip, title } from './strings.js';
import {
  charsOf,
  type Dict,
  equal,
  failure,
  isDict,
  isList,
  isUndefined,
  keyOf,
  type List,
  list,
  type Thing,
  thing,
  typeName,
  type Value,
} from './values.js';

interface Method<T> {
  readonly names: readonly string[];
  run(self: T, args: Reader, budget: Budget): Value;
}

function method<T>(names: readonly string[], run: Method<T>['run']): Method<T> {
  return { names, run };
}

/** A string argument that may be missing or None. */
function optionalText(args: Reader, name: string): string | undefined {
  const found = args.value(name);
  return found === undefined || found === null ? undefined : args.text(name);
}

const stripping = (sides: 'left' | 'right' | 'both'): Method<string> =>
  method(['chars'], (self, args, budget) => strip(self, optionalText(args, 'chars'), sides, budget));

const splitting = (fromRight: boolean): Method<string> =>
  method(['sep', 'maxsplit'], (self, args, budget) => {
    const separator = optionalText(args, 'sep');
    if (separator === '') throw failure('split: an empty separator');
    return list(split(self, separator, args.whole('maxsplit', -1), fromRight, budget));
  });

const changing = (change: (self: string) => string): Method<string> =>
  method([], (self, _, budget) => {
    budget.string(self.length);
    return change(self);
  });

const asking = (test: (self: string) => boolean): Method<string> =>
  method([], (self, _, budget) => {
    budget.read(self.length);
    return test(self);
  });

const affix = (test: (self: string, part: string) => boolean): Method<string> =>
  method(['part'], (self, args, budget) => {
    const part = args.required('part');
    const parts = isList(part) ? part.items : [part];
    budget.step(parts.length);
    return parts.some((each) => {
      if (typeof each !== 'string') throw failure(`a string cannot start or end with a ${typeName(each)}`);
      budget.read(each.length);
      return test(self, each);
    });
  });

/** Where a part is, in code points; `missing` is what happens where it is not. */
const finding = (last: boolean, missing: () => number): Method<string> =>
  method(['part'], (self, args, budget) => {
    budget.search(self.length, args.text('part').length);
    const at = last ? self.lastIndexOf(args.text('part')) : self.indexOf(args.text('part'));
    return at === -1 ? missing() : charsOf(self.slice(0, at), budget).length;
  });
const notFound = (): number => {
  throw failure('index: the part is not in the string');
};

const padding = (side: 'left' | 'right' | 'both'): Method<string> =>
  method(['width', 'fillchar'], (self, args, budget) => {
    const fill = args.text('fillchar', ' ');
    if (fill.length !== 1) throw failure('the fill must be one character');
    return pad(self, args.whole('width'), fill, side, budget);
  });

const ofStrings: Readonly<Record<string, Method<string>>> = {
  strip: stripping('both'),
  lstrip: stripping('left'),
  rstrip: stripping('right'),
  split: splitting(false),
  rsplit: splitting(true),
  splitlines: method([], (self, _, budget) => list(splitLines(self, budget))),
  startswith: affix((self, part) => self.startsWith(part)),
  endswith: affix((self, part) => self.endsWith(part)),
  removeprefix: method(['part'], (self, args, budget) => {
    const part = args.text('part');
    budget.read(part.length);
    return self.startsWith(part) ? self.slice(part.length) : self;
  }),
  removesuffix: method(['part'], (self, args, budget) => {
    const part = args.text('part');
    budget.read(part.length);
    return part !== '' && self.endsWith(part) ? self.slice(0, -part.length) : self;
  }),
  upper: changing((self) => self.toUpperCase()),
  lower: changing((self) => self.toLowerCase()),
  capitalize: method([], (self, _, budget) => capitalize(self, budget)),
  title: method([], (self, _, budget) => title(self, budget)),
  replace: method(['old', 'new', 'count'], (self, args, budget) =>
    replace(self, args.text('old'), args.text('new'), args.whole('count', -1), budget),
  ),
  find: finding(false, () => -1),
  rfind: finding(true, () => -1),
  index: finding(false, notFound),
  rindex: finding(true, notFound),
  count: method(['part'], (self, args, budget) => {
    const part = args.text('part');
    budget.string(self.length);
    budget.search(self.length, part.length);
    return part === '' ? self.length + 1 : self.split(part).length - 1;
  }),
  join: method(['items'], (self, args, budget) => {
    const items = args.required('items');
    const parts = isList(items) ? items.items : typeof items === 'string' ? charsOf(items, budget) : [];
    budget.step(parts.length);
    for (const part of parts) if (typeof part !== 'string') throw failure(`join: a ${typeName(part)} is no string`);
    budget.string((parts as readonly string[]).reduce((sum, part) => sum + part.length + self.length, 0));
    return parts.join(self);
  }),
  zfill: method(['width'], (self, args, budget) => pad(self, args.whole('width'), '0', 'left', budget)),
  ljust: padding('right'),
  rjust: padding('left'),
  center: padding('both'),
  isdigit: asking((self) => /^\p{Nd}+$/u.test(self)),
  isnumeric: asking((self) => /^\p{N}+$/u.test(self)),
  isalpha: asking((self) => /^\p{L}+$/u.test(self)),
  isalnum: asking((self) => /^[\p{L}\p{N}]+$/u.test(self)),
  isspace: asking((self) => isBlank.test(self)),
  isupper: asking((self) => self !== self.toLowerCase() && self === self.toUpperCase()),
  islower: asking((self) => self !== self.toUpperCase() && self === self.toLowerCase()),
};

const ofDicts: Readonly<Record<string, Method<Dict>>> = {
  get: method(
    ['key', 'default'],
    (self, args, budget) => self.entries.get(keyOf(args.required('key'), budget))?.[1] ?? args.value('default') ?? null,
  ),
  items: method([], (self, _, budget) => {
    budget.list(self.entries.size);
    return list([...self.entries.values()].map((entry) => list(entry, 'tuple')));
  }),
  keys: method([], (self, _, budget) => {
    budget.list(self.entries.size);
    return list([...self.entries.values()].map(([key]) => key));
  }),
  values: method([], (self, _, budget) => {
    budget.list(self.entries.size);
    return list([...self.entries.values()].map(([, value]) => value));
  }),
  copy: method([], (self) => self),
};

const ofLists: Readonly<Record<string, Method<List>>> = {
  index: method(['item'], (self, args, budget) => {
    const at = self.items.findIndex((item) => equal(item, args.required('item'), budget));
    if (at === -1) throw failure('index: the item is not in the list');
    return at;
  }),
  count: method(
    ['item'],
    (self, args, budget) => self.items.filter((item) => equal(item, args.required('item'), budget)).length,
  ),
  copy: method([], (self) => self),
};

/** The method of a value, bound to it. */
export function methodOf(self: Value, name: string, budget: Budget): Thing | undefined {
  if (typeof self === 'string') return bound(ofStrings, self, name, budget);
  if (isDict(self)) return bound(ofDicts, self, name, budget);
  if (isList(self)) return bound(ofLists, self, name, budget);
  return undefined;
}

function bound<T extends Value>(
  table: Readonly<Record<string, Method<T>>>,
  self: T,
  name: string,
  budget: Budget,
): Thing | undefined {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined || isUndefined(self)) return undefined;
  return thing(
    'method',
    () => undefined,
    (args) => {
      budget.step();
      return found.run(self, readArguments(name, args, found.names), budget);
    },
  );
}
