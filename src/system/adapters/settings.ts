/** Adapters as data: what a run file asks for, and what an adapter's files say. */

import { QuintetError } from '../../tensor/index.js';
import { type AdaloraOptions, adalora } from './adalora.js';
import type { Adapter, Placed } from './adapter.js';
import { type BottleneckOptions, bottleneck } from './bottleneck.js';
import { dora } from './dora.js';
import { type HraOptions, hra } from './hra.js';
import { type Ia3Options, ia3 } from './ia3.js';
import { type LlamaAdapterOptions, llamaAdapter } from './llama-adapter.js';
import { type LohaOptions, loha } from './loha.js';
import { type LokrOptions, lokr } from './lokr.js';
import { type LoraOptions, lora } from './lora.js';
import { type OftOptions, oft } from './oft.js';
import { type EncodedPromptOptions, type PromptOptions, prefixTuning, promptTuning, pTuning } from './prompts.js';
import { biasTuning, layerTuning } from './tuned.js';
import { type VeraOptions, vera } from './vera.js';
import { type TunedWords, wordTuning } from './words.js';

/** The kinds of adapters, and what each is told. */
export interface AdapterKinds {
  readonly lora: LoraOptions;
  readonly dora: LoraOptions;
  readonly adalora: AdaloraOptions;
  readonly vera: VeraOptions;
  readonly loha: LohaOptions;
  readonly lokr: LokrOptions;
  readonly oft: OftOptions;
  readonly hra: HraOptions;
  readonly ia3: Ia3Options;
  readonly layers: Placed;
  readonly biases: Placed;
  readonly bottleneck: BottleneckOptions;
  readonly prompt: PromptOptions;
  readonly 'p-tuning': EncodedPromptOptions;
  readonly prefix: PromptOptions & Partial<EncodedPromptOptions>;
  readonly 'llama-adapter': LlamaAdapterOptions;
  readonly words: TunedWords;
}

export type AdapterKind = keyof AdapterKinds;
export type AdapterSettings<Kind extends AdapterKind = AdapterKind> = {
  [K in Kind]: { readonly kind: K } & AdapterKinds[K];
}[Kind];

/** Kinds of which several settings are for different layers, and kinds that have one. */
const makers: { readonly [K in AdapterKind]: (...settings: readonly AdapterKinds[K][]) => Adapter } = {
  lora,
  dora,
  adalora,
  loha,
  lokr,
  oft,
  hra,
  bottleneck,
  vera: single(vera),
  ia3: single(ia3),
  layers: single(layerTuning),
  biases: single(biasTuning),
  prompt: single(promptTuning),
  'p-tuning': single(pTuning),
  prefix: single(prefixTuning),
  'llama-adapter': single(llamaAdapter),
  words: wordTuning,
};

export const adapterKinds = Object.keys(makers) as readonly AdapterKind[];

function single<Options>(make: (options: Options) => Adapter) {
  return (...[first, ...others]: readonly Options[]): Adapter => {
    if (first && others.length === 0) return make(first);
    throw new QuintetError('config', `an adapter of this kind has one group of settings, not ${1 + others.length}`);
  };
}

/** The adapter of settings of one kind, of which the first that fits a layer counts, and of words that learn beside it. */
export function adapterOf(settings: readonly AdapterSettings[]): Adapter {
  const kinds = [...new Set(settings.map(({ kind }) => kind))];
  const [kind, ...others] = kinds;
  if (kind === undefined || others.some((other) => other !== 'words')) {
    throw new QuintetError('config', `an adapter is of one kind, not of ${kinds.length}: ${kinds.join(', ')}`);
  }
  const [adapter, words] = kinds.map((own) =>
    (makers[own] as (...settings: readonly AdapterSettings[]) => Adapter)(
      ...settings.filter((each) => each.kind === own),
    ),
  ) as [Adapter, Adapter?];
  return words ? withWords(adapter, words) : adapter;
}

const withWords = (adapter: Adapter, words: Adapter): Adapter => ({
  ...adapter,
  adapt: (p) => words.adapt(adapter.adapt(p)),
  parameters: [...adapter.parameters, ...words.parameters],
  begin: (name) => adapter.begin?.(name) ?? words.begin?.(name),
});
