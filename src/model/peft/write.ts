/** Writes adapters so that PEFT loads them over the same base. */

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  adapterConfigFile,
  adapterValuesFile,
  makeFolder,
  writeAtomically,
  writeSafetensors,
} from '../../checkpoint/index.js';
import {
  type AdapterSettings,
  headOf,
  inOrder,
  isRewardSystem,
  rowsOfWords,
  settingsFor,
  tiedTable,
} from '../../system/index.js';
import { concatRows, type HostArray, QuintetError } from '../../tensor/index.js';
import { type CutRanks, cutRanks } from './cut-ranks.js';
import { formats } from './formats.js';
import { type Base, type Declarations, keyOf, partsOf, theirName, wordsEnding } from './names.js';

type Values = ReadonlyMap<string, HostArray>;
type Names = ReadonlySet<string>;

export interface AdapterBase extends Base {
  /** What the configuration calls the base: a folder or hub name. */
  readonly base: string;
}

/** Writes an adapter's values and those of parameters that were trained whole. */
export async function writeAdapter(
  folder: string,
  base: AdapterBase,
  settings: readonly AdapterSettings[],
  learnt: Values,
): Promise<void> {
  const { values, pattern } = cutRanks(settings, learnt);
  const tensors = [...keyed(base, settings, values)];
  const names = new Set(values.keys());
  const config = { ...configOf(base, settings, names), ...(pattern ? { rank_pattern: triplets(pattern, base) } : {}) };
  await makeFolder(folder);
  await writeSafetensors(join(folder, adapterValuesFile), tensors, { metadata: { format: 'pt' } });
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await writeAtomically(join(folder, adapterConfigFile), (file) => file.writeFile(text));
}

/**
 * Refuses what could not be written: parameters that learn with an adapter, by name, without the rest of their module; and
 * layers that differ in what a file says once.
 */
export function checkWritable(base: Base, settings: readonly AdapterSettings[], names: Names): void {
  checkGroups(settings);
  const [alone] = wholeModules(wholeOf(settings, names), base.declarations).partial;
  if (alone === undefined) return;
  const module = alone.replace(/\.[^.]*$/, '');
  throw new QuintetError('unsupported', `PEFT saves whole modules, and of ${module} "${alone}" learns, not all`, {
    at: 'train',
    hint: `let all of the module learn, by "${module}.**", or nothing of it`,
  });
}

/**
 * Whether parameters that learnt before an adapter can be written into its folder: modules that it does not change, whole. Those
 * that it does change have to be in the base that it is over.
 */
export function fitsBeside(
  base: Base,
  settings: readonly AdapterSettings[],
  { before, beside }: { readonly before: Names; readonly beside: Names },
): boolean {
  const changed = [
    ...changedLayers(beside),
    ...settings.flatMap((own) => (own.kind === 'words' ? [own.table.replace(/\.weight$/, '')] : [])),
  ];
  if ([...before].some((name) => changed.some((path) => name.startsWith(`${path}.`)))) return false;
  return wholeModules([...before], base.declarations).partial.length === 0;
}

/** What learns beside an adapter, and is not its own. */
function wholeOf(settings: readonly AdapterSettings[], names: Names): string[] {
  const own = ownOf(settings, names);
  return [...names].filter((name) => !own.has(name));
}

function configOf(base: AdapterBase, settings: readonly AdapterSettings[], names: Names): Record<string, unknown> {
  checkWritable(base, settings, names);
  const first = settings[0] as AdapterSettings;
  const { peft_type, ...own } = written(first);
  const layers = [...changedLayers(names)];
  return {
    peft_type,
    ...('backbone' in base.network ? { task_type: isRewardSystem(base.network) ? 'SEQ_CLS' : 'CAUSAL_LM' } : {}),
    base_model_name_or_path: base.base,
    ...own,
    ...targets(first, layers, base),
    ...patterns(settings, layers, base),
    ...wordsBeside(settings, base),
    ...savedModules(wholeOf(settings, names), base),
    inference_mode: true,
  };
}

/** Words that learn beside another adapter, by their tables. */
function wordsBeside([, ...others]: readonly AdapterSettings[], base: AdapterBase): Record<string, unknown> {
  const words = others.flatMap((own) => (own.kind === 'words' ? [own] : []));
  const tables = words.map(({ table, ids }) => [theirName(table.replace(/\.weight$/, ''), base), inOrder(ids)]);
  return words.length > 0 ? { trainable_token_indices: Object.fromEntries(tables) } : {};
}

/** What learnt whole. Without being asked to, PEFT would have a table learn apart from the head that is tied to it. */
function savedModules(whole: readonly string[], base: AdapterBase): Record<string, unknown> {
  if (whole.length === 0) return {};
  const { modules } = wholeModules(whole, base.declarations);
  const named = (all: readonly string[]) => ({ modules_to_save: all.map((name) => theirName(name, base)) });
  if (!whole.includes(`${tiedTable(base.network)}.weight`)) return named(modules);
  return { ...named([...modules, headOf(base.network)]), ensure_weight_tying: true };
}

/** Which triplets are left of each layer. */
const triplets = (pattern: NonNullable<CutRanks['pattern']>, base: AdapterBase): Record<string, readonly boolean[]> =>
  Object.fromEntries([...pattern].map(([name, isLeft]) => [theirName(name, base), isLeft]));

/** The names that are the adapter's, be they new or a base's parameters that it is all about. */
function ownOf(settings: readonly AdapterSettings[], names: Names): Names {
  const [first] = settings;
  const learns = (name: string): boolean => {
    if (first?.kind === 'layers') return settingsFor([first], name.replace(/\.[^.]*$/, '')) !== undefined;
    if (wordRows(settings).some((rows) => rows.name === name)) return true;
    return name.endsWith('.bias') && trainsBiases(settings);
  };
  const added = (name: string): boolean =>
    partsOf(name) !== undefined || /^(?:prompt_embeddings|vera_[AB])$/.test(name);
  const layers = changedLayers(names);
  return new Set([...names].filter((name) => added(name) || learns(name) || isWithin(layers, name)));
}

const wordRows = (settings: readonly AdapterSettings[]) =>
  settings.flatMap((own) => (own.kind === 'words' ? rowsOfWords(own) : []));

/** Whether all biases learn with a low-rank adapter. */
const trainsBiases = (settings: readonly AdapterSettings[]): boolean =>
  settings.some((own) => (own.kind === 'lora' || own.kind === 'dora') && own.bias === 'all');

/** Whole names: an ending such as q_proj would fit the encoder's layers too. */
function targets(first: AdapterSettings, layers: readonly string[], base: AdapterBase): Record<string, unknown> {
  const names = (paths: readonly string[]): string[] => paths.map((path) => theirName(path, base));
  switch (first.kind) {
    case 'prompt':
    case 'p-tuning':
    case 'prefix':
    case 'llama-adapter':
      return {};
    case 'words':
      return { target_modules: names([first.table.replace(/\.weight$/, '')]) };
    case 'layers':
      return { target_modules: names([...layersOf(first, base.declarations)]) };
    case 'ia3':
      return {
        target_modules: names(layers),
        feedforward_modules: names(layers.filter((path) => settingsFor([{ on: first.inputs ?? [] }], path))),
      };
    default:
      return { target_modules: names(layers) };
  }
}

/** The layers that a setting is for. */
function layersOf(settings: AdapterSettings<'layers'>, declarations: Declarations): ReadonlySet<string> {
  const paths = [...declarations.keys()].map((name) => name.replace(/\.[^.]*$/, ''));
  return new Set(paths.filter((path) => settingsFor([settings], path)));
}

/** What a configuration says of layers with these settings. */
function written(settings: AdapterSettings): Readonly<Record<string, unknown>> {
  const { type, write } = formats[settings.kind];
  return { peft_type: type, ...(write as (own: AdapterSettings) => Readonly<Record<string, unknown>>)(settings) };
}

/** The groups of layers with settings of their own; words beside them are none. */
const groupsOf = ([first, ...others]: readonly AdapterSettings[]): AdapterSettings[] =>
  first ? [first, ...others.filter(({ kind }) => kind !== 'words')] : [];

/** Refuses groups that differ in what a file says once for all of them. */
function checkGroups(settings: readonly AdapterSettings[]): void {
  const [first, ...others] = groupsOf(settings);
  if (!first) return;
  const { patterns = {} } = formats[first.kind];
  const all = written(first);
  for (const other of others.map(written)) {
    const names = Object.keys({ ...all, ...other });
    const field = names.find((name) => !(name in patterns) && !isDeepStrictEqual(all[name], other[name]));
    if (field === undefined) continue;
    throw new QuintetError('unsupported', `${field} is ${all[field]} for some layers and ${other[field]} for others`, {
      at: 'adapter',
      hint: "PEFT's file says it once for all layers: give them the same, or write an adapter each",
    });
  }
}

/** What layers have whose settings are not those of the first group. */
function patterns(
  settings: readonly AdapterSettings[],
  layers: readonly string[],
  base: AdapterBase,
): Record<string, unknown> {
  const groups = groupsOf(settings).flatMap((own) => ('on' in own ? [own] : []));
  const [first] = groups;
  if (!first || groups.length < 2) return {};
  const differing = (field: string): Record<string, unknown> =>
    Object.fromEntries(
      layers.flatMap((path) => {
        const own = settingsFor(groups, path);
        const name = theirName(path, base).replaceAll('.', '\\.');
        const value = own && written(own)[field];
        return own && value !== written(first)[field] ? [[name, value]] : [];
      }),
    );
  const fields = Object.entries(formats[first.kind].patterns ?? {});
  return Object.fromEntries(fields.map(([field, pattern]) => [pattern, differing(field)]));
}

/** The values by their keys. */
function* keyed(
  base: AdapterBase,
  settings: readonly AdapterSettings[],
  values: Values,
): Generator<[string, HostArray]> {
  const [first] = settings;
  const table = tiedTable(base.network);
  for (const words of settings) {
    if (words.kind !== 'words') continue;
    const rows = rowsOfWords(words).map(({ name }) => values.get(name) as HostArray);
    const own = words.table.replace(/\.weight$/, '');
    if (words !== first) yield [keyOf(`${own}.token_adapter.${wordsEnding}`, base), concatRows(rows)];
    else {
      const paths = own === table ? [own, headOf(base.network)] : [own];
      for (const path of paths) yield [keyOf(`${path}.${wordsEnding}`, base), concatRows(rows)];
    }
  }
  const own = ownOf(settings, new Set(values.keys()));
  const layers = changedLayers(values.keys());
  const rows = wordRows(settings);
  for (const [name, value] of values) {
    if (rows.some((each) => each.name === name)) continue;
    const key = keyOf(name, base);
    if (first?.kind === 'layers' && own.has(name)) yield [key.replace(/\.([^.]*)$/, '.ln_tuning_layers.$1'), value];
    else if (isWithin(layers, name)) yield [key.replace(/(weight|bias)$/, 'base_layer.$1'), value];
    else {
      yield [key, value];
      if (name === `${table}.weight`) yield [keyOf(`${headOf(base.network)}.weight`, base), value];
    }
  }
}

/** The layers that have something new. */
const changedLayers = (names: Iterable<string>): Names =>
  new Set([...names].flatMap((name) => partsOf(name)?.path ?? []));

/** Whether it is a weight or bias of a layer that is changed, which PEFT has within its own layer. */
const isWithin = (layers: Names, name: string): boolean =>
  /\.(?:weight|bias)$/.test(name) && !partsOf(name) && layers.has(name.replace(/\.[^.]*$/, ''));

/** The largest modules all of whose parameters are among the trained ones, and trained ones that no module holds alone. */
function wholeModules(trained: readonly string[], declarations: Declarations) {
  const set = new Set(trained);
  const all = [...declarations.keys()];
  const moduleOf = (name: string): string | undefined => {
    const steps = name.split('.');
    for (let length = 1; length < steps.length; length++) {
      const prefix = `${steps.slice(0, length).join('.')}.`;
      if (all.filter((other) => other.startsWith(prefix)).every((other) => set.has(other))) return prefix.slice(0, -1);
    }
    return undefined;
  };
  const modules = trained.map(moduleOf);
  return {
    modules: [...new Set(modules.filter((module) => module !== undefined))],
    partial: trained.filter((_, i) => modules[i] === undefined),
  };
}
