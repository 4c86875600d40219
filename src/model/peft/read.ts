/** Reads adapters in PEFT's files, `adapter_config.json` and `adapter_model.safetensors`. */

import { join } from 'node:path';
import {
  adapterConfigFile,
  adapterValuesFile,
  kindOfPath,
  openCheckpoint,
  readJson,
  runHint,
} from '../../checkpoint/index.js';
import {
  type Adapter,
  type AdapterSettings,
  adapterOf,
  declarationsOf,
  isSystem,
  type Network,
  rename,
  rowsOfWords,
  tiedTable,
} from '../../system/index.js';
import {
  castArray,
  concatRows,
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
import { type Base, type Declarations, isNamed, namings, ownName, partsOf, wordsEnding } from './names.js';
import { refuseOptions } from './refusals.js';
import { checkTied, concernsTied, ofTable } from './tied.js';

/** An adapter with its values. */
export interface LoadedAdapter {
  readonly settings: readonly AdapterSettings[];
  readonly adapter: Adapter;
  /** Values of the adapter's parameters and of those that were trained whole, by the network's names. */
  readonly values: ReadonlyMap<string, HostArray>;
}

/** The folder of an adapter: itself, or the one that a run has written into its own. */
export async function findAdapter(folder: string): Promise<string> {
  for (const place of [folder, join(folder, 'adapter')]) {
    if ((await kindOfPath(join(place, adapterConfigFile))) === 'file') return place;
  }
  const hint = await runHint(folder);
  throw new QuintetError('not-found', 'no such file', { at: join(folder, adapterConfigFile), ...(hint && { hint }) });
}

/** Whether an adapter in a folder is of a reward model: PEFT calls it a classifier of sequences. */
export async function isOfRewardModel(folder: string): Promise<boolean> {
  return (await readConfig(await findAdapter(folder))).raw.task_type === 'SEQ_CLS';
}

/**
 * Reads an adapter for a network of these parameters, in its own folder or a run's. Keys of any of the network's namings are
 * understood.
 */
export async function readAdapter(place: string, network: Network, declarations: Declarations): Promise<LoadedAdapter> {
  const base: Base = { network, declarations };
  const folder = await findAdapter(place);
  const config = await readConfig(folder);
  const kind = kindOf(config);
  refuseOptions(config);
  const file = fileOf(config, await readValues(folder, base, config), base);
  const settings: readonly AdapterSettings[] =
    kind === 'words' ? formats.words.read(file) : [...formats[kind].read(withoutWords(file)), ...wordsIn(file, base)];
  if (settings.length === 0) throw new QuintetError('weights', 'the adapter adapts nothing', { at: folder });
  const loaded = { settings, adapter: adapterOf(settings), values: valuesOf(file, settings) };
  checkFits(loaded, base, config);
  return loaded;
}

async function readConfig(folder: string): Promise<Fields> {
  return fields(await readJson(join(folder, adapterConfigFile)), adapterConfigFile);
}

async function readValues(folder: string, base: Base, config: Fields): Promise<Map<string, HostArray>> {
  const checkpoint = await openCheckpoint(join(folder, adapterValuesFile));
  try {
    const values = new Map<string, HostArray>();
    const head = new Map<string, HostArray>();
    const keys = [...checkpoint.tensors.keys()];
    const table = concernsTied(keys, config) ? tiedTable(base.network) : undefined;
    for (const key of keys) {
      const value = castArray(await checkpoint.read(key), 'f32');
      // Where ranks were cut, of some layers nothing is left.
      if (value.shape.includes(0)) continue;
      const repeated = table === undefined ? undefined : ofTable(key, table);
      if (repeated === undefined) values.set(ownName(key, base, folder), value);
      else head.set(repeated, value);
    }
    if (table !== undefined) checkTied({ table, values, head }, base, config);
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
  const saved = config.texts('modules_to_save', []);
  const isBeside = (name: string): boolean => {
    const steps = name.split('.');
    const modules = steps.map((_, i) => steps.slice(0, i + 1).join('.'));
    return saved.some((module) => modules.some((path) => isNamed(path, module, base)));
  };
  return { config, layers, others, pattern, isBeside };
}

/** PEFT matches a pattern's key against a module's name, or its end behind a dot. */
function fits(path: string, key: string, base: Base, at: string): boolean {
  const regex = compileRegex(`^(?:.*\\.)?(?:${key})$`, at);
  return namings(base).some((names) => {
    const name = rename(path, names);
    return regex.matches(name, fuelFor(name.length)).length > 0;
  });
}

/** Words that learn beside another adapter: of each table some. */
function wordsIn({ config, layers }: AdapterFile, base: Base): AdapterSettings<'words'>[] {
  const tables = [...layers].flatMap(([path, values]) => (values[wordsEnding] ? [path] : []));
  const field = 'trainable_token_indices';
  return tables.map((path) => {
    const table = `${path}.weight`;
    if (Array.isArray(config.raw[field])) return { kind: 'words', table, ids: config.numbers(field) };
    const byTable = config.object(field);
    const key = Object.keys(byTable.raw).find((name) => isNamed(path, name, base));
    return { kind: 'words', table, ids: byTable.numbers(key ?? path) };
  });
}

const withoutWords = (file: AdapterFile): AdapterFile => ({
  ...file,
  layers: new Map([...file.layers].filter(([, values]) => !values[wordsEnding])),
});

/** The values by the names of the parameters: words that learn are a parameter for each row of neighbours. */
function valuesOf({ layers, others }: AdapterFile, settings: readonly AdapterSettings[]): Map<string, HostArray> {
  const values = new Map(others);
  for (const [path, own] of layers) {
    for (const [ending, value] of Object.entries(own)) {
      const words = settings.find((each) => each.kind === 'words' && each.table === `${path}.weight`);
      if (ending !== wordsEnding || words?.kind !== 'words') values.set(`${path}.${ending}`, value);
      else for (const [name, rows] of rowsByName(words, value)) values.set(name, rows);
    }
  }
  return values;
}

/** What words have learnt [N, D], a row each, as the rows of neighbours. */
function rowsByName(words: AdapterSettings<'words'>, all: HostArray): [string, HostArray][] {
  const { ids } = words;
  if (all.shape[0] !== ids.length) {
    throw new QuintetError('weights', `${all.shape[0]} rows for ${ids.length} words`, { at: words.table });
  }
  return rowsOfWords(words).map(({ name, from, to }) => {
    // Of a word that is named twice the last row counts.
    const rowOf = (id: number): HostArray => sliceRows(all, ids.lastIndexOf(id), ids.lastIndexOf(id) + 1);
    return [name, concatRows(Array.from({ length: to - from }, (_, i) => rowOf(from + i)))];
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
