/** The functions a chat template finds: Jinja's range, namespace and dict, and those that transformers adds. */

import { readArguments } from './arguments.js';
import type { Context } from './evaluate.js';
import { dictFrom } from './list-filters.js';
import { joined, textOf } from './print.js';
import { strftime } from './strftime.js';
import { type Arguments, failure, isDict, list, type Thing, thing, type Value } from './values.js';

export function globalsOf(context: Context, now: Date | undefined): Map<string, Value> {
  const { budget } = context;
  const define = (name: string, run: (args: Arguments) => Value): readonly [string, Value] => [
    name,
    thing(
      'function',
      () => undefined,
      (args) => {
        budget.step();
        return run(args);
      },
    ),
  ];
  return new Map<string, Value>([
    define('range', (args) => range(args, context)),
    define('namespace', (args) => namespace(args, context)),
    define('dict', (args) => dictFrom(args, context)),
    define('raise_exception', ({ positional }) => {
      throw failure(textOf(positional[0] ?? '', budget));
    }),
    // Templates ask whether it is defined; without a given time it is not.
    ...(now === undefined
      ? []
      : [
          define('strftime_now', (args) => {
            const format = readArguments('strftime_now', args, ['format']).text('format');
            budget.scan(format.length);
            return joined([strftime(format, now)], budget);
          }),
        ]),
  ]);
}

function range(args: Arguments, { budget }: Context): Value {
  const reader = readArguments('range', args, ['start', 'stop', 'step']);
  const two = args.positional.length > 1;
  const [start, stop, step] = [
    two ? reader.whole('start') : 0,
    two ? reader.whole('stop') : reader.whole('start'),
    reader.whole('step', 1),
  ];
  if (step === 0) throw failure('range: a step of 0');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  budget.list(length);
  return list(Array.from({ length }, (_, i) => start + i * step));
}

/** The one value that changes: `{% set ns.name = … %}`. */
function namespace(args: Arguments, context: Context): Thing {
  const values = new Map<string, Value>();
  const initial = dictFrom(args, context);
  if (isDict(initial))
    for (const [key, value] of initial.entries.values()) values.set(textOf(key, context.budget), value);
  return {
    kind: 'thing',
    type: 'namespace',
    get: (name) => values.get(name),
    set(name, value) {
      context.budget.step();
      values.set(name, value);
    },
  };
}
