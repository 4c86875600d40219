/**
 * What learns beside the weights of a stage:
 *
 *     adapter: { kind: dora, rank: 8, on: ['**.{q,v}_proj'] }   # or `lora: { … }` for kind lora
 *     adapter: ./runs/first/adapter                             # one that was written goes on learning
 *     adapter: own                                              # the one that the model comes with does
 */
import { resolve } from 'node:path';
import type { LoadedAdapter, Model } from '../../model/index.js';
import { select } from '../../nn/index.js';
import {
  type Adapter,
  type AdapterKind,
  type AdapterSettings,
  adapterKinds,
  declarationsOf,
  headOf,
  isRewardSystem,
  isSystem,
  linearLayers,
  adapterOf as makeAdapter,
  type Network,
  type RankCuts,
  ratingLayer,
  widestOf,
} from '../../system/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import { count, flag, given, number, positive, type Read, type Readers, refuseUnknown, word } from './fields.js';

/** In the place of a pattern: the layers that PEFT means by it. */
export const allLinear = 'all-linear';

const on: Read = (file, name) => {
  const globs = typeof file.raw[name] === 'string' ? [file.text(name)] : file.has(name) ? file.texts(name) : [];
  if (globs.length > 0) return globs;
  throw file.wrong(name, `a pattern of layers, or several, or ${allLinear}`);
};
const table: Read = (file, name) => file.text(name);
const whole: Read = (file, name) => file.whole(name);
const numbers: Read = (file, name) => file.numbers(name);
const ids: Read = (file, name) => {
  const found = file.numbers(name);
  if (found.length > 0 && found.every((id) => Number.isSafeInteger(id) && id >= 0)) return found;
  throw file.wrong(name, 'one id of a word or more');
};
const cutFields = { rank: count, warmup: whole, rest: whole, every: count, betas: numbers } satisfies Readers;
const cuts: Read = (file, name) => {
  const own = file.object(name);
  refuseUnknown(own, Object.keys(cutFields));
  return { ...given(own, cutFields), rank: own.count('rank') };
};

const lowRank = { on, rank: count, alpha: positive };
const lora = { ...lowRank, rankStabilised: flag, bias: word('none', 'adapted', 'all') };
const readers: Readonly<Record<AdapterKind, Readers>> = {
  lora,
  dora: lora,
  adalora: { ...lowRank, orthogonality: number, cuts },
  vera: { on, rank: count, start: number },
  loha: lowRank,
  lokr: { ...lowRank, factor: count, both: flag },
  oft: { on, block: count, sharesBlock: flag, terms: count },
  hra: { on, rank: count },
  ia3: { on, inputs: (file, name) => file.texts(name) },
  layers: { on },
  biases: { on },
  bottleneck: { on, width: count },
  prompt: { count },
  'p-tuning': { count, hidden: count },
  prefix: { count, hidden: count },
  'llama-adapter': { count, layers: count },
  words: { table, ids },
};

/** Fields that a kind may be without. */
const optional = [
  ...['alpha', 'rankStabilised', 'bias', 'orthogonality', 'cuts', 'start'],
  ...['factor', 'both', 'sharesBlock', 'terms', 'inputs'],
];

/** What a run file says of an adapter; some of it is known only with the network. */
export interface AdapterRequest {
  /** `own` is the one that the model comes with, `saved` the one in a folder. */
  readonly kind: AdapterKind | 'own' | 'saved';
  /** The folder of a saved one. */
  readonly from?: string;
  readonly on?: readonly string[];
  /** Of IA3. */
  readonly inputs?: readonly string[];
  readonly cuts?: Omit<RankCuts, 'steps'>;
}

const own: AdapterRequest = { kind: 'own' };

export const asksForAdapter = (stage: Fields): boolean => stage.has('adapter') || stage.has('lora');

interface Surroundings {
  /** What paths are relative to; default the working folder. */
  readonly folder?: string;
  /** The adapter of the recipe's stage. */
  readonly recipes?: AdapterSettings | undefined;
  /** Whether the model comes with an adapter. */
  readonly hasOwn?: boolean | undefined;
}

/**
 * The adapter of a stage, by `adapter` or by `lora`; where it asks for none and does not say what else learns, that of the
 * recipe's stage. A model that comes with an adapter teaches that one, or a saved one in its place.
 */
export function adapterOf(
  stage: Fields,
  { folder = '.', recipes, hasOwn = false }: Surroundings = {},
): AdapterRequest | undefined {
  if (!asksForAdapter(stage)) return stage.has('train') ? undefined : recipes && (hasOwn ? own : recipes);
  if (stage.has('adapter') && stage.has('lora')) {
    throw new QuintetError('config', 'a stage has one adapter: give `adapter` or `lora`', { at: stage.at });
  }
  const name = stage.has('lora') ? 'lora' : 'adapter';
  const written = stage.raw[name];
  const asksForOwn = written === 'own';
  if (asksForOwn && hasOwn) return own;
  const at = `${stage.at}.${name}`;
  if (name === 'adapter' && typeof written === 'string' && !asksForOwn) return savedIn(written, folder, at);
  if (asksForOwn) throw new QuintetError('config', 'the model comes with no adapter of its own', { at });
  if (hasOwn) {
    throw new QuintetError(
      'config',
      'it would take the place of the adapter that the model comes with, and begin from nothing',
      {
        at,
        hint: 'say `adapter: own`, which goes on from what that one has learnt',
      },
    );
  }
  if (name === 'lora') return read('lora', stage.object('lora'), []);
  const file = stage.object('adapter');
  return read(file.choice('kind', adapterKinds), file, ['kind']);
}

function savedIn(written: string, folder: string, at: string): AdapterRequest {
  if (!(adapterKinds as readonly string[]).includes(written)) return { kind: 'saved', from: resolve(folder, written) };
  throw new QuintetError('config', `a new adapter is an object, such as { kind: ${written}, … }`, {
    at,
    hint: `a folder of that name is ./${written}`,
  });
}

function read(kind: AdapterKind, file: Fields, others: readonly string[]): AdapterRequest {
  const fields = readers[kind];
  refuseUnknown(file, [...others, ...Object.keys(fields)]);
  const needed = Object.keys(fields).filter(
    (name) => !optional.includes(name) && !(kind === 'prefix' && name === 'hidden'),
  );
  for (const name of needed) fields[name]?.(file, name);
  return { kind, ...given(file, fields) };
}

/** The adapter that a stage trains, where it trains one. */
export interface Learning {
  readonly adapter?: Adapter;
  readonly settings?: readonly AdapterSettings[];
  /** What a saved one has learnt. */
  readonly values?: LoadedAdapter['values'];
}

/** What a stage of so many steps trains beside the weights of a network. */
export function learningIn(
  { network, pictureAdapter }: Pick<Model, 'network' | 'pictureAdapter'>,
  request: AdapterRequest | undefined,
  { steps, saved }: { readonly steps: number; readonly saved?: LoadedAdapter | undefined },
): Learning {
  if (!request) return {};
  if (request.kind === 'saved' && saved) return saved;
  if (request.kind === 'own' && pictureAdapter) {
    const { settings, adapter } = pictureAdapter;
    return { settings, adapter };
  }
  const settings = settingsIn(network, request, steps);
  return { settings: [settings], adapter: makeAdapter([settings]) };
}

function settingsIn(network: Network, { on: asked, ...rest }: AdapterRequest, steps: number): AdapterSettings {
  const request = { ...rest, ...(asked ? { on: layersIn(network, asked) } : {}) };
  if (request.cuts) return { ...request, cuts: { ...request.cuts, steps } } as AdapterSettings<'adalora'>;
  const whole = request as AdapterSettings;
  if (whole.kind === 'vera') return { ...whole, widest: widestOf(network, whole.on) };
  if (whole.kind === 'words') return { ...whole, table: tableIn(network, whole.table) };
  if (whole.kind !== 'llama-adapter') return whole;
  if (!isSystem(network)) throw new QuintetError('unsupported', 'there is no language model', { at: network.name });
  const { depth } = network.backbone.part;
  const layers = whole.layers as unknown as number;
  if (layers > depth) {
    throw new QuintetError('config', `expected at most the model's ${depth} layers, got ${layers}`, {
      at: 'adapter.layers',
    });
  }
  return { ...whole, layers: Array.from({ length: layers }, (_, i) => depth - layers + i) };
}

/** The patterns, and for `all-linear` every linear layer of the network but its head. */
function layersIn(network: Network, on: readonly string[]): readonly string[] {
  if (!on.includes(allLinear)) return on;
  const head = isSystem(network) && isRewardSystem(network) ? ratingLayer(network) : headOf(network);
  const linear = [...linearLayers(network).keys()].filter((path) => path !== head);
  return on.flatMap((glob) => (glob === allLinear ? linear : glob));
}

/** The parameter that a table of words is, by its own name or by its layer's. */
function tableIn(network: Network, written: string): string {
  const ending = '.weight';
  const matrices = [...declarationsOf(network).values()].filter(({ shape }) => shape.length === 2);
  const layers = matrices.flatMap(({ name }) => (name.endsWith(ending) ? [name.slice(0, -ending.length)] : []));
  const path = written.endsWith(ending) ? written.slice(0, -ending.length) : written;
  const found = select(layers, [path], 'adapter.table', 'table');
  if (found.length === 1) return `${found[0]}${ending}`;
  throw new QuintetError('config', `expected one table, got ${found.length} by "${written}"`, {
    at: 'adapter.table',
    hint: `such as ${found[0]}`,
  });
}
