/**
 * LoRA adapters in PEFT's files: `adapter_config.json` and `adapter_model.safetensors`, whose keys are the module names of
 * transformers behind `base_model.model.`.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint, writeAtomically, writeSafetensors } from '../checkpoint/index.js';
import type { Declaration } from '../nn/index.js';
import { type Adapter, type LoraOptions, lora, type Network, type Renames, rename } from '../system/index.js';
import { castArray, type Fields, fields, type HostArray, nearest, parseJson, QuintetError } from '../tensor/index.js';

const root = 'base_model.model.';

type Declarations = ReadonlyMap<string, Declaration>;
type Values = ReadonlyMap<string, HostArray>;

export interface LoadedAdapter {
  readonly adapter: Adapter;
  /** Values of the adapter's parameters and of those that were trained whole, by the network's names. */
  readonly values: Values;
}

/** Reads an adapter for a network of these parameters. Keys of any of the network's namings are understood. */
export async function readAdapter(
  folder: string,
  network: Network,
  declarations: Declarations,
): Promise<LoadedAdapter> {
  const file = join(folder, 'adapter_config.json');
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new QuintetError('not-found', 'no adapter_config.json in this folder', { at: folder, cause });
  });
  const config = fields(parseJson(text, file), 'adapter_config.json');
  requireLora(config);
  const checkpoint = await openCheckpoint(join(folder, 'adapter_model.safetensors'));
  try {
    const values = new Map<string, HostArray>();
    for (const key of checkpoint.tensors.keys()) {
      values.set(ownName(key, network, declarations, folder), castArray(await checkpoint.read(key), 'f32'));
    }
    return { adapter: lora(...settingsOf(values, config, network)), values };
  } finally {
    await checkpoint.close();
  }
}

function requireLora(config: Fields): void {
  config.choice('peft_type', ['LORA']);
  for (const flag of ['use_dora', 'fan_in_fan_out', 'lora_bias']) {
    if (config.flag(flag, false)) throw new QuintetError('unsupported', `${flag} is not supported`, { at: config.at });
  }
}

/** One group of settings for each rank and scale that the file has. */
function settingsOf(values: Values, config: Fields, network: Network): LoraOptions[] {
  const rankStabilised = config.flag('use_rslora', false);
  const alphas = config.object('alpha_pattern', { optional: true });
  const groups = new Map<string, { rank: number; alpha: number; rankStabilised: boolean; on: string[] }>();
  for (const [name, { shape }] of values) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const path = name.slice(0, -'.lora_A.weight'.length);
    const rank = shape[0] as number;
    const pattern = Object.keys(alphas.raw).find((key) =>
      namings(network).some((names) => fits(rename(path, names), key)),
    );
    const alpha = pattern === undefined ? config.number('lora_alpha', 8) : alphas.number(pattern);
    const key = `${rank} ${alpha}`;
    const group = groups.get(key) ?? { rank, alpha, rankStabilised, on: [] };
    group.on.push(path);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** PEFT matches a pattern's key against the end of a module's name. */
function fits(path: string, key: string): boolean {
  return path === key || path.endsWith(`.${key}`);
}

/** The network's own naming and the others that it is published under. */
function namings(network: Network): readonly Renames[] {
  return [[], ...(network.renames ?? [])];
}

function ownName(key: string, network: Network, declarations: Declarations, at: string): string {
  if (!key.startsWith(root))
    throw new QuintetError('weights', `the key "${key}" does not begin with "${root}"`, { at });
  const theirs = key.slice(root.length);
  const [, path = theirs, added = ''] = /^(.*?)(\.lora_[AB]\.weight)$/.exec(theirs) ?? [];
  const end = added === '' ? '' : '.weight';
  for (const names of namings(network)) {
    const own = [...declarations.keys()].find((name) => rename(name, names) === path + end);
    if (own !== undefined) return own.slice(0, own.length - end.length) + added;
  }
  const guess = nearest(path, declarations.keys());
  throw new QuintetError('weights', `the adapter's key "${key}" names nothing in ${network.name}`, {
    at,
    ...(guess ? { hint: `the nearest parameter is ${guess}` } : {}),
  });
}

/** Writes what was trained beside LoRA's settings, so that PEFT loads it over the same base. */
export async function writeAdapter(
  folder: string,
  {
    network,
    declarations,
    base,
  }: { readonly network: Network; readonly declarations: Declarations; readonly base: string },
  settings: LoraOptions,
  values: Values,
): Promise<void> {
  const { rank, alpha = 2 * rank, rankStabilised = false } = settings;
  // The first of a network's other namings is the one that transformers has in memory.
  const theirs = (name: string): string => rename(name, network.renames?.[0] ?? []);
  const adapted = [...values.keys()].filter((name) => name.endsWith('.lora_A.weight'));
  const whole = [...values.keys()].filter((name) => !/\.lora_[AB]\.weight$/.test(name));
  const config = {
    peft_type: 'LORA',
    ...('backbone' in network ? { task_type: 'CAUSAL_LM' } : {}),
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    use_rslora: rankStabilised,
    // Whole names: an ending such as q_proj would fit the encoder's layers too.
    target_modules: adapted.map((name) => theirs(name.slice(0, -'.lora_A.weight'.length))),
    modules_to_save: whole.length > 0 ? wholeModules(whole, declarations).map(theirs) : null,
    inference_mode: true,
  };
  await mkdir(folder, { recursive: true });
  const tensors = [...values].map(([name, value]) => [root + theirs(name), value] as const);
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors, { metadata: { format: 'pt' } });
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await writeAtomically(join(folder, 'adapter_config.json'), (file) => file.writeFile(text));
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
