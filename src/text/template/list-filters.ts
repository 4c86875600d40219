/** The filters of lists: taking, choosing, ordering and grouping items. */

import { type Reader, readArguments } from './arguments.js';
import { arithmetic, attributeOf, type Context, itemOf } from './evaluate.js';
import type { Filter } from './filters.js';
import { textOf } from './print.js';
import {
  type Arguments,
  charsOf,
  compare,
  dict,
  equal,
  failure,
  isDict,
  isList,
  isUndefined,
  itemsOf,
  keyOf,
  list,
  numberOf,
  truthy,
  type Value,
} from './values.js';

function filter(
  name: string,
  names: readonly string[],
  run: (items: readonly Value[], args: Reader, context: Context, value: Value) => Value,
): Filter {
  return (value, args, context) => {
    const items = itemsOf(value, context.budget);
    context.budget.list(items.length);
    return run(items, readArguments(name, args, names), context, value);
  };
}

/** `a.b.0`: an attribute of an attribute of an item. */
function byPath(path: Value | undefined, context: Context): (item: Value) => Value {
  if (path === undefined || path === null) return (item) => item;
  const steps = typeof path === 'string' ? path.split('.') : [path];
  context.budget.list(steps.length);
  return (item) => {
    context.budget.step(steps.length);
    return steps.reduce((object: Value, step) => {
      if (typeof step !== 'string' || /^\d+$/.test(step))
        return itemOf(object, Number(numberOf(step) ?? step), context);
      return isDict(object) ? itemOf(object, step, context) : attributeOf(object, step, context);
    }, item);
  };
}

/** Ordering ignores case unless told otherwise. */
function folded(value: Value, caseSensitive: boolean, context: Context): Value {
  if (typeof value !== 'string' || caseSensitive) return value;
  context.budget.string(value.length);
  return value.toLowerCase();
}

function rest({ positional, named }: Arguments, from: number): Arguments {
  return { positional: positional.slice(from), named };
}

/** map(attribute='x', default=…) or map('filter', …). */
const map: Filter = (value, args, context) => {
  const items = itemsOf(value, context.budget);
  context.budget.list(items.length);
  const attribute = args.named.get('attribute');
  if (attribute !== undefined) {
    const [take, otherwise] = [byPath(attribute, context), args.named.get('default')];
    return list(
      items.map((item) => {
        const found = take(item);
        return isUndefined(found) && otherwise !== undefined ? otherwise : found;
      }),
    );
  }
  const name = args.positional[0];
  if (typeof name !== 'string') throw failure('map needs a filter or attribute=');
  return list(items.map((item) => context.filter(name, item, rest(args, 1))));
};

/** select('test', …), reject; selectattr('attribute', 'test', …), rejectattr. */
const choosing =
  (byAttribute: boolean, wanted: boolean): Filter =>
  (value, args, context) => {
    const items = itemsOf(value, context.budget);
    context.budget.list(items.length);
    const take = byPath(byAttribute ? args.positional[0] : undefined, context);
    const at = byAttribute ? 1 : 0;
    const test = args.positional[at];
    if (test !== undefined && typeof test !== 'string') throw failure('a test is given by its name');
    const passes = (item: Value): boolean =>
      test === undefined ? truthy(item) : context.test(test, item, rest(args, at + 1));
    return list(items.filter((item) => passes(take(item)) === wanted));
  };

const extreme = (name: string, sign: 1 | -1): Filter =>
  filter(name, ['case_sensitive', 'attribute'], (items, args, context) => {
    const take = byPath(args.value('attribute'), context);
    const key = (item: Value): Value => folded(take(item), args.flag('case_sensitive', false), context);
    const best = items.reduce<Value | undefined>(
      (sofar, item) =>
        sofar === undefined || sign * compare(key(item), key(sofar), context.budget) < 0 ? item : sofar,
      undefined,
    );
    return best ?? { kind: 'undefined', name: `${name} of nothing` };
  });

function sorted(
  items: readonly Value[],
  key: (item: Value) => Value,
  reverse: boolean,
  { budget }: Context,
): readonly Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const sign = reverse ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.key, b.key, budget)).map(({ item }) => item);
}

/** Rows of a fixed length, the last one filled up. */
function batch(items: readonly Value[], args: Reader, { budget }: Context): Value {
  const size = args.whole('linecount');
  if (size < 1) throw failure('batch: the size must be positive');
  const fill = args.value('fill_with') ?? null;
  const rows: Value[] = [];
  for (let i = 0; i < items.length; i += size) {
    const row = items.slice(i, i + size);
    if (fill !== null && row.length < size) {
      budget.list(size);
      while (row.length < size) row.push(fill);
    }
    rows.push(list(row));
  }
  return list(rows);
}

/** A fixed number of rows, the first ones longer. */
function slice(items: readonly Value[], args: Reader, { budget }: Context): Value {
  const count = args.whole('slices');
  if (count < 1) throw failure('slice: the number must be positive');
  budget.list(count);
  const fill = args.value('fill_with') ?? null;
  const [size, longer] = [Math.floor(items.length / count), items.length % count];
  return list(
    Array.from({ length: count }, (_, i) => {
      const start = i * size + Math.min(i, longer);
      const row = items.slice(start, start + size + (i < longer ? 1 : 0));
      return list(fill !== null && i >= longer ? [...row, fill] : row);
    }),
  );
}

function join(items: readonly Value[], args: Reader, context: Context): Value {
  const separator = textOf(args.value('d') ?? '', context.budget);
  const take = byPath(args.value('attribute'), context);
  const parts = items.map((item) => textOf(take(item), context.budget));
  context.budget.string(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
  return parts.join(separator);
}

export const listFilters: Readonly<Record<string, Filter>> = {
  map,
  select: choosing(false, true),
  reject: choosing(false, false),
  selectattr: choosing(true, true),
  rejectattr: choosing(true, false),
  join: filter('join', ['d', 'attribute'], join),
  list: filter('list', [], (items) => list(items)),
  first: filter('first', [], (items) => items[0] ?? { kind: 'undefined', name: 'first of nothing' }),
  last: filter('last', [], (items) => items.at(-1) ?? { kind: 'undefined', name: 'last of nothing' }),
  reverse: filter('reverse', [], (items, _, __, value) =>
    typeof value === 'string' ? items.toReversed().join('') : list(items.toReversed()),
  ),
  sort: filter('sort', ['reverse', 'case_sensitive', 'attribute'], (items, args, context) => {
    const take = byPath(args.value('attribute'), context);
    const caseSensitive = args.flag('case_sensitive', false);
    return list(
      sorted(items, (item) => folded(take(item), caseSensitive, context), args.flag('reverse', false), context),
    );
  }),
  unique: filter('unique', ['case_sensitive', 'attribute'], (items, args, context) => {
    const take = byPath(args.value('attribute'), context);
    context.budget.step(items.length);
    const keys = items.map((item) =>
      keyOf(folded(take(item), args.flag('case_sensitive', false), context), context.budget),
    );
    const firsts = new Map(keys.map((key, i) => [key, i] as const).reverse());
    return list(items.filter((_, i) => firsts.get(keys[i] as string) === i));
  }),
  min: extreme('min', 1),
  max: extreme('max', -1),
  sum: filter('sum', ['attribute', 'start'], (items, args, context) => {
    const take = byPath(args.value('attribute'), context);
    return items.reduce((sum, item) => arithmetic('+', sum, take(item), context.budget), args.value('start') ?? 0);
  }),
  batch: filter('batch', ['linecount', 'fill_with'], batch),
  slice: filter('slice', ['slices', 'fill_with'], slice),
  items: (value, _, { budget }) => {
    if (isUndefined(value)) return list([]);
    if (!isDict(value)) throw failure('items needs a dict');
    budget.list(value.entries.size);
    return list([...value.entries.values()].map((entry) => list(entry, 'tuple')));
  },
  dictsort: (value, args, context) => {
    const reader = readArguments('dictsort', args, ['case_sensitive', 'by', 'reverse']);
    if (!isDict(value)) throw failure('dictsort needs a dict');
    context.budget.list(value.entries.size);
    const at = reader.text('by', 'key') === 'value' ? 1 : 0;
    const caseSensitive = reader.flag('case_sensitive', false);
    const pairs = [...value.entries.values()].map((entry) => list(entry, 'tuple'));
    const key = (pair: Value): Value => folded(isList(pair) ? (pair.items[at] as Value) : pair, caseSensitive, context);
    return list(sorted(pairs, key, reader.flag('reverse', false), context));
  },
  groupby: filter('groupby', ['attribute', 'default'], (items, args, context) => {
    const [take, otherwise] = [byPath(args.required('attribute'), context), args.value('default')];
    const key = (item: Value): Value => {
      const found = take(item);
      return isUndefined(found) && otherwise !== undefined ? otherwise : found;
    };
    const groups: { grouper: Value; list: Value[] }[] = [];
    for (const item of sorted(items, (each) => folded(key(each), false, context), false, context)) {
      const last = groups.at(-1);
      const same =
        last !== undefined &&
        equal(folded(last.grouper, false, context), folded(key(item), false, context), context.budget);
      if (same) last.list.push(item);
      else groups.push({ grouper: key(item), list: [item] });
    }
    return list(groups.map((group) => list([group.grouper, list(group.list)], 'tuple')));
  }),
  attr: (value, args, context) => attributeOf(value, readArguments('attr', args, ['name']).text('name'), context),
};

/** A dict from pairs, for the global `dict`. */
export function dictFrom(args: Arguments, context: Context): Value {
  const start = args.positional[0];
  const pairs: (readonly [Value, Value])[] = [];
  if (start !== undefined && isDict(start)) pairs.push(...start.entries.values());
  else if (start !== undefined) {
    for (const pair of itemsOf(start, context.budget)) {
      const parts = typeof pair === 'string' ? charsOf(pair, context.budget) : itemsOf(pair, context.budget);
      if (parts.length !== 2) throw failure('dict needs pairs');
      pairs.push([parts[0] as Value, parts[1] as Value]);
    }
  }
  context.budget.list(pairs.length + args.named.size);
  return dict([...pairs, ...args.named], context.budget);
}
