/** `loop` within `{% for %}`: where the loop is, and its neighbours. */

import type { Budget } from './budget.js';
import { equal, failure, type Thing, thing, type Value } from './values.js';

export interface Loop {
  readonly value: Thing;
  moveTo(index: number): void;
}

/** `again` runs a recursive loop over other items. */
export function loopOver(
  items: readonly Value[],
  depth: number,
  budget: Budget,
  again?: (items: Value) => Value,
): Loop {
  let index = 0;
  let seen: readonly Value[] | undefined;
  const at = (position: number): Value => items[position] ?? { kind: 'undefined', name: 'a neighbour of the loop' };
  const method = (run: (values: readonly Value[]) => Value): Thing =>
    thing(
      'method',
      () => undefined,
      ({ positional }) => run(positional),
    );
  const attributes: Readonly<Record<string, () => Value>> = {
    index: () => index + 1,
    index0: () => index,
    revindex: () => items.length - index,
    revindex0: () => items.length - index - 1,
    first: () => index === 0,
    last: () => index === items.length - 1,
    length: () => items.length,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () => at(index - 1),
    nextitem: () => at(index + 1),
    cycle: () =>
      method((values) => {
        if (values.length === 0) throw failure('loop.cycle needs values');
        return values[index % values.length] as Value;
      }),
    changed: () =>
      method((values) => {
        const same =
          seen?.length === values.length && values.every((value, i) => equal(value, seen?.[i] as Value, budget));
        seen = values;
        return !same;
      }),
  };
  const get = (name: string): Value | undefined => (Object.hasOwn(attributes, name) ? attributes[name]?.() : undefined);
  const call =
    again === undefined
      ? undefined
      : ({ positional }: { positional: readonly Value[] }) => again(positional[0] ?? null);
  return {
    value: thing('loop', get, call),
    moveTo(position) {
      index = position;
    },
  };
}
