/** Reads adapters in PEFT's files, `adapter_config.json` and `adapter_model.safetensors`. */

import { join } from 'node:path';
import { openCheckpoint, readJson } from '../../checkpoint/index.js';
import {
  type Adapter,
  type AdapterSettings,
  adapterOf,
  declarationsOf,
  isSystem,
  type Network,
  rename,
  rowsOfWords,
} from '../../system/index.js';
import {
  castArray,
  type Fields,
  fields,
  formatShape,
  type HostArray,
  QuintetError,
  sameShape,
  sliceRows,
} from '../../tensor/index.js';
import { fuelFor } from '../../text/fuel.js';
import { compileRegex } from '../../text/regex.js';
import { type AdapterFile, formats, kindOf } from './formats.js';
import { type Base, type Declarations, namings, ownName, partsOf } from './names.js';

/** An adapter with its values. */
export interface LoadedAdapter {
  readonly settings: readonly AdapterSettings[];
  readonly adapter: Adapter;
  /** Values of the adapter's parameters and of those that were trained whole, by the network's names. */
  readonly values: ReadonlyMap<string, HostArray>;
}

/** Whether an adapter in a folder is of a reward model: PEFT calls it a classifier of sequences. */
export async function isOfRewardModel(folder: string): Promise<boolean> {
  return (await readConfig(folder)).raw.task_type === 'SEQ_CLS';
}

/** Reads an adapter for a network of these parameters. Keys of any of the network's namings are understood. */
export async function readAdapter(
  folder: string,
  network: Network,
  declarations: Declarations,
): Promise<LoadedAdapter> {
  const base: Base = { network, declarations };
  const config = await readConfig(folder);
  const kind = kindOf(config);
  const file = fileOf(config, await readValues(folder, base), base);
  const settings: readonly AdapterSettings[] = formats[kind].read(file);
  if (settings.length === 0) throw new QuintetError('weights', 'the adapter adapts nothing', { at: folder });
  const loaded = { settings, adapter: adapterOf(settings), values: valuesOf(file, settings) };
  checkFits(loaded, base, config);
  return loaded;
}

async function readConfig(folder: string): Promise<Fields> {
  const path = join(folder, 'adapter_config.json');
  return fields(await readJson(path), 'adapter_config.json');
}

async function readValues(folder: string, base: Base): Promise<Map<string, HostArray>> {
  const checkpoint = await openCheckpoint(join(folder, 'adapter_model.safetensors'));
  try {
    const values = new Map<string, HostArray>();
    for (const key of checkpoint.tensors.keys()) {
      const value = castArray(await checkpoint.read(key), 'f32');
      // Where ranks were cut, of some layers nothing is left.
      if (!value.shape.includes(0)) values.set(ownName(key, base, folder), value);
    }
    return values;
  } finally {
    await checkpoint.close();
  }
}

function fileOf(config: Fields, values: ReadonlyMap<string, HostArray>, base: Base): AdapterFile {
  const layers = new Map<string, Record<string, HostArray>>();
  const others = new Map<string, HostArray>();
  for (const [name, value] of values) {
    const parts = partsOf(name);
    if (!parts) others.set(name, value);
    else layers.set(parts.path, { ...layers.get(parts.path), [parts.ending]: value });
  }
  const pattern = (field: string, path: string): number | undefined => {
    const numbers = config.object(field, { optional: true });
    const key = Object.keys(numbers.raw).find((each) => fits(path, each, base, numbers.at));
    return key === undefined ? undefined : numbers.number(key);
  };
  return { config, layers, others, pattern };
}

/** PEFT matches a pattern's key against a module's name, or its end behind a dot. */
function fits(path: string, key: string, base: Base, at: string): boolean {
  const regex = compileRegex(`^(?:.*\\.)?(?:${key})$`, at);
  return namings(base).some((names) => {
    const name = rename(path, names);
    return regex.matches(name, fuelFor(name.length)).length > 0;
  });
}

/** The values by the names of the parameters: words that learn are a parameter for each row of neighbours. */
function valuesOf({ layers, others }: AdapterFile, settings: readonly AdapterSettings[]): Map<string, HostArray> {
  const values = new Map(others);
  for (const [path, own] of layers) {
    for (const [ending, value] of Object.entries(own)) {
      const words = ending === 'trainable_tokens_delta' ? settings.find(({ kind }) => kind === 'words') : undefined;
      if (words?.kind !== 'words') values.set(`${path}.${ending}`, value);
      else for (const [name, rows] of rowsByName(words, value)) values.set(name, rows);
    }
  }
  return values;
}

/** What words have learnt [N, D], in the order of their ids, as the rows of neighbours. */
function rowsByName({ table, ids }: AdapterSettings<'words'>, all: HostArray): [string, HostArray][] {
  if (all.shape[0] !== ids.length) {
    throw new QuintetError('weights', `${all.shape[0]} rows for ${ids.length} words`, { at: 'token_indices' });
  }
  const sorted = [...ids].sort((a, b) => a - b);
  if (sorted.some((id, i) => id !== ids[i])) {
    throw new QuintetError('unsupported', 'the words are not in the order of their ids', { at: 'token_indices' });
  }
  let at = 0;
  return rowsOfWords(table, ids).map(({ name, from, to }) => {
    const rows = sliceRows(all, at, at + to - from);
    at += to - from;
    return [name, rows];
  });
}

/** The parameters of a network with an adapter. */
export function adaptedDeclarations(network: Network, { adapt, around }: Adapter): Declarations {
  return declarationsOf(around && isSystem(network) ? around(network) : network, adapt);
}

/** One error for all that the adapter has and the network has not, or has in another shape, or the other way round. */
function checkFits({ adapter, values }: LoadedAdapter, base: Base, config: Fields): void {
  const known = adaptedDeclarations(base.network, adapter);
  const problems = [...values].flatMap(([name, { shape }]) => {
    const declared = known.get(name);
    if (!declared) return [`${name} ${formatShape(shape)} has no place`];
    if (sameShape(declared.shape, shape)) return [];
    return [`${name} is ${formatShape(shape)} in the file, ${formatShape(declared.shape)} in the model`];
  });
  const missing = [...known.keys()].filter((name) => !base.declarations.has(name) && !values.has(name));
  problems.push(...missing.map((name) => `${name} is missing`));
  if (problems.length === 0) return;
  const shown = problems.slice(0, 20);
  const rest = problems.length > shown.length ? `\n  and ${problems.length - shown.length} more` : '';
  throw new QuintetError('weights', `the adapter does not fit ${base.network.name}:\n  ${shown.join('\n  ')}${rest}`, {
    at: config.at,
    hint: `it was made for ${config.text('base_model_name_or_path', 'another base')}`,
  });
}
