/** Writes adapters so that PEFT loads them over the same base. */

import { join } from 'node:path';
import { makeFolder, writeAtomically, writeSafetensors } from '../../checkpoint/index.js';
import { type AdapterSettings, inOrder, isRewardSystem, rowsOfWords, settingsFor } from '../../system/index.js';
import { concatRows, type HostArray, QuintetError } from '../../tensor/index.js';
import { type CutRanks, cutRanks } from './cut-ranks.js';
import { formats } from './formats.js';
import {
  adapterConfigFile,
  adapterValuesFile,
  type Base,
  type Declarations,
  keyOf,
  partsOf,
  theirName,
  wordsEnding,
} from './names.js';
import { tiedHead, tiedTable } from './tied.js';

type Values = ReadonlyMap<string, HostArray>;

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
  await makeFolder(folder);
  const { values, pattern } = cutRanks(settings, learnt);
  const tensors = [...keyed(base, settings, values)];
  await writeSafetensors(join(folder, adapterValuesFile), tensors, { metadata: { format: 'pt' } });
  const config = { ...configOf(base, settings, values), ...(pattern ? { rank_pattern: triplets(pattern, base) } : {}) };
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await writeAtomically(join(folder, adapterConfigFile), (file) => file.writeFile(text));
}

function configOf(base: AdapterBase, settings: readonly AdapterSettings[], values: Values): Record<string, unknown> {
  const first = settings[0] as AdapterSettings;
  const format = formats[first.kind];
  const write = format.write as (settings: AdapterSettings) => Record<string, unknown>;
  const own = ownOf(settings, values);
  const whole = [...values.keys()].filter((name) => !own.has(name));
  const layers = [...new Set([...own].flatMap((name) => partsOf(name)?.path ?? []))];
  return {
    peft_type: format.type,
    ...('backbone' in base.network ? { task_type: isRewardSystem(base.network) ? 'SEQ_CLS' : 'CAUSAL_LM' } : {}),
    base_model_name_or_path: base.base,
    ...write(first),
    ...targets(first, layers, base),
    ...patterns(settings, layers, base),
    ...wordsBeside(settings, base),
    ...savedModules(whole, base),
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
  const modules = wholeModules(whole, base.declarations);
  const named = (all: readonly string[]) => ({ modules_to_save: all.map((name) => theirName(name, base)) });
  if (!whole.includes(`${tiedTable(base)}.weight`)) return named(modules);
  return { ...named([...modules, tiedHead(base)]), ensure_weight_tying: true };
}

/** Which triplets are left of each layer. */
const triplets = (pattern: NonNullable<CutRanks['pattern']>, base: AdapterBase): Record<string, readonly boolean[]> =>
  Object.fromEntries([...pattern].map(([name, isLeft]) => [theirName(name, base), isLeft]));

/** The names of values that are the adapter's, be they new or a base's parameters that it is all about. */
function ownOf(settings: readonly AdapterSettings[], values: Values): ReadonlySet<string> {
  const [first] = settings;
  const learns = (name: string): boolean => {
    if (first?.kind === 'layers') return settingsFor([first], name.replace(/\.[^.]*$/, '')) !== undefined;
    if (wordRows(settings).some((rows) => rows.name === name)) return true;
    return name.endsWith('.bias') && 'bias' in (first ?? {}) && isTrainedBias(name, settings, values);
  };
  const added = (name: string): boolean =>
    partsOf(name) !== undefined || /^(?:prompt_embeddings|vera_[AB])$/.test(name);
  return new Set([...values.keys()].filter((name) => added(name) || learns(name) || isAdaptedWeight(name, values)));
}

const wordRows = (settings: readonly AdapterSettings[]) =>
  settings.flatMap((own) => (own.kind === 'words' ? rowsOfWords(own) : []));

/** Whether a bias learns with a low-rank adapter: with the layers that it adapts, or with all. */
function isTrainedBias(name: string, settings: readonly AdapterSettings[], values: Values): boolean {
  const path = name.slice(0, -'.bias'.length);
  return settings.some(
    (own) =>
      (own.kind === 'lora' || own.kind === 'dora') &&
      (own.bias === 'all' || (own.bias === 'adapted' && values.has(`${path}.lora_A.weight`))),
  );
}

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

/** Ranks and scales of layers that have others than the first group of settings. */
function patterns(
  settings: readonly AdapterSettings[],
  layers: readonly string[],
  base: AdapterBase,
): Record<string, unknown> {
  const groups = settings.flatMap((own) => ('rank' in own && 'alpha' in own ? [own] : []));
  const [first] = groups;
  if (!first || groups.length < 2) return {};
  const differing = (field: 'rank' | 'alpha'): Record<string, unknown> =>
    Object.fromEntries(
      layers.flatMap((path) => {
        const own = settingsFor(groups, path);
        const name = theirName(path, base).replaceAll('.', '\\.');
        return own && own[field] !== first[field] ? [[name, own[field]]] : [];
      }),
    );
  return { rank_pattern: differing('rank'), alpha_pattern: differing('alpha') };
}

/** The values by their keys. */
function* keyed(
  base: AdapterBase,
  settings: readonly AdapterSettings[],
  values: Values,
): Generator<[string, HostArray]> {
  const [first] = settings;
  const table = tiedTable(base);
  for (const words of settings) {
    if (words.kind !== 'words') continue;
    const rows = rowsOfWords(words).map(({ name }) => values.get(name) as HostArray);
    const own = words.table.replace(/\.weight$/, '');
    if (words !== first) yield [keyOf(`${own}.token_adapter.${wordsEnding}`, base), concatRows(rows)];
    else {
      const paths = own === table ? [own, tiedHead(base)] : [own];
      for (const path of paths) yield [keyOf(`${path}.${wordsEnding}`, base), concatRows(rows)];
    }
  }
  const own = ownOf(settings, values);
  const rows = wordRows(settings);
  for (const [name, value] of values) {
    if (rows.some((each) => each.name === name)) continue;
    const key = keyOf(name, base);
    if (first?.kind === 'layers' && own.has(name)) yield [key.replace(/\.([^.]*)$/, '.ln_tuning_layers.$1'), value];
    else if (isAdaptedWeight(name, values)) yield [key.replace(/weight$/, 'base_layer.weight'), value];
    else if (own.has(name) && isAdaptedBias(name, values)) yield [key.replace(/bias$/, 'base_layer.bias'), value];
    else {
      yield [key, value];
      if (name === `${table}.weight`) yield [keyOf(`${tiedHead(base)}.weight`, base), value];
    }
  }
}

const isAdaptedBias = (name: string, values: Values): boolean =>
  name.endsWith('.bias') && values.has(name.replace(/bias$/, 'lora_A.weight'));

/** PEFT keeps the weight of an adapted head or table, too. */
function isAdaptedWeight(name: string, values: Values): boolean {
  const [, path] = /^(.*)\.weight$/.exec(name) ?? [];
  if (path === undefined || partsOf(name)) return false;
  return values.has(`${path}.lora_A.weight`) || values.has(`${path}.lora_embedding_A`);
}

/** The largest modules all of whose parameters are among the trained ones. */
function wholeModules(trained: readonly string[], declarations: Declarations): string[] {
  const set = new Set(trained);
  const all = [...declarations.keys()];
  const modules = trained.map((name) => {
    const steps = name.split('.');
    for (let length = 1; length < steps.length; length++) {
      const prefix = `${steps.slice(0, length).join('.')}.`;
      if (all.filter((other) => other.startsWith(prefix)).every((other) => set.has(other))) return prefix.slice(0, -1);
    }
    throw new QuintetError('unsupported', `PEFT saves whole modules, and "${name}" is trained without its neighbours`);
  });
  return [...new Set(modules)];
}
