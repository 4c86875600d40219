/** What each kind of adapter is called in `adapter_config.json`, and what stands there of it. */

import { type AdapterKind, type AdapterSettings, adaloraAlpha, inOrder, usualCuts } from '../../system/index.js';
import { type Fields, type HostArray, QuintetError } from '../../tensor/index.js';

/** What a layer has of an adapter, by what stands behind its path. */
export type LayerValues = Readonly<Record<string, HostArray>>;

/** An adapter's files, read. */
export interface AdapterFile {
  readonly config: Fields;
  /** By our paths. */
  readonly layers: ReadonlyMap<string, LayerValues>;
  /** Values that belong to no layer, and whole parameters, by our names. */
  readonly others: ReadonlyMap<string, HostArray>;
  /** The number that a pattern such as `rank_pattern` has for a layer. */
  pattern(field: string, path: string): number | undefined;
  /** Whether a parameter is of a module that learnt whole beside the adapter. */
  isBeside(name: string): boolean;
}

type Groups<Kind extends AdapterKind> = readonly AdapterSettings<Kind>[];

interface Format<Kind extends AdapterKind> {
  readonly type: string;
  read(file: AdapterFile): Groups<Kind>;
  /** The fields of the configuration but for those that all have. */
  write(settings: AdapterSettings<Kind>): Readonly<Record<string, unknown>>;
  /** Fields in which layers may differ, and those that tell of layers which do; default none. */
  readonly patterns?: Readonly<Record<string, string>>;
}

const paths = (file: AdapterFile): string[] => [...file.layers.keys()];

/** Layers with the same settings together. */
function grouped<Kind extends AdapterKind>(
  { layers }: AdapterFile,
  settingsOf: (values: LayerValues, path: string) => Omit<AdapterSettings<Kind>, 'on'>,
): Groups<Kind> {
  const groups = new Map<string, { settings: object; on: string[] }>();
  for (const [path, values] of layers) {
    const settings = settingsOf(values, path);
    const key = JSON.stringify(settings);
    const group = groups.get(key) ?? { settings, on: [] };
    group.on.push(path);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ settings, on }) => ({ ...settings, on })) as unknown as Groups<Kind>;
}

const sizeAt = (array: HostArray | undefined, axis: number): number => array?.shape[axis] ?? 0;

/** DoRA of a table of embeddings would make its norms of all words for each text. */
function refuseTables({ config, layers }: AdapterFile): void {
  const [path] = [...layers].find(([, values]) => values.lora_embedding_A) ?? [];
  if (path === undefined) return;
  throw new QuintetError('unsupported', `use_dora is not supported for ${path}, a table of embeddings`, {
    at: config.at,
  });
}

const biases = { none: 'none', all: 'all', lora_only: 'adapted' } as const;
const biasNames = { none: 'none', all: 'all', adapted: 'lora_only' } as const;

function loraFormat<Kind extends 'lora' | 'dora'>(kind: Kind): Format<Kind> {
  return {
    type: 'LORA',
    read(file) {
      const { config } = file;
      if (kind === 'dora') refuseTables(file);
      const rankStabilised = config.flag('use_rslora', false);
      const bias = biases[config.choice('bias', ['none', 'all', 'lora_only'], 'none')];
      const scale = config.number('lora_alpha', 8);
      return grouped<'lora' | 'dora'>(file, (values, path) => ({
        kind,
        rank: sizeAt(values['lora_A.weight'] ?? values.lora_embedding_A, 0),
        alpha: file.pattern('alpha_pattern', path) ?? scale,
        ...{ rankStabilised, bias },
      })) as Groups<Kind>;
    },
    write: (settings) => {
      const { rank, alpha = 2 * rank, rankStabilised = false, bias = 'none' } = settings as AdapterSettings<'lora'>;
      return {
        ...{ r: rank, lora_alpha: alpha, lora_dropout: 0, use_rslora: rankStabilised, use_dora: kind === 'dora' },
        bias: biasNames[bias],
      };
    },
    patterns: { r: 'rank_pattern', lora_alpha: 'alpha_pattern' },
  };
}

const adaloraFormat: Format<'adalora'> = {
  type: 'ADALORA',
  read: (file) =>
    grouped<'adalora'>(file, (values) => ({
      kind: 'adalora',
      rank: sizeAt(values.lora_E, 0),
      initial: file.config.whole('init_r', 12),
      alpha: file.config.number('lora_alpha', 8),
      orthogonality: file.config.number('orth_reg_weight', 0.5),
    })),
  write: (settings) => {
    const { rank, initial = rank, orthogonality = 0.5, cuts } = settings;
    // PEFT wants a schedule, of which nothing is used to answer.
    const { steps, warmup, rest, every, betas } = { steps: 1, ...usualCuts, ...cuts };
    return {
      ...{ init_r: initial, r: initial, target_r: cuts?.rank ?? initial, lora_alpha: adaloraAlpha(settings) },
      ...{ lora_dropout: 0, bias: 'none', orth_reg_weight: orthogonality },
      ...{ total_step: steps, tinit: warmup, tfinal: rest, deltaT: every, beta1: betas[0], beta2: betas[1] },
    };
  },
};

const lohaFormat: Format<'loha'> = {
  type: 'LOHA',
  read: (file) =>
    grouped<'loha'>(file, (values, path) => ({
      kind: 'loha',
      rank: sizeAt(values.hada_w1_b, 0),
      alpha: file.pattern('alpha_pattern', path) ?? file.config.number('alpha', 8),
    })),
  write: ({ rank, alpha = 2 * rank }) => ({ r: rank, alpha }),
  patterns: { r: 'rank_pattern', alpha: 'alpha_pattern' },
};

const lokrFormat: Format<'lokr'> = {
  type: 'LOKR',
  read: (file) => {
    const { config, pattern } = file;
    const factor = config.whole('decompose_factor', -1);
    return grouped<'lokr'>(file, (_, path) => ({
      kind: 'lokr',
      rank: pattern('rank_pattern', path) ?? config.whole('r', 8),
      alpha: pattern('alpha_pattern', path) ?? config.number('alpha', 8),
      both: config.flag('decompose_both', false),
      ...(factor > 0 ? { factor } : {}),
    }));
  },
  write: ({ rank, alpha = 2 * rank, factor = -1, both = false }) => ({
    ...{ r: rank, alpha, decompose_factor: factor, decompose_both: both },
  }),
  patterns: { r: 'rank_pattern', alpha: 'alpha_pattern' },
};

const oftFormat: Format<'oft'> = {
  type: 'OFT',
  read: (file) => {
    const { config } = file;
    const sharesBlock = config.flag('block_share', false);
    const terms = config.flag('use_cayley_neumann', true) ? { terms: config.whole('num_cayley_neumann_terms', 5) } : {};
    return grouped<'oft'>(file, (values) => {
      // A skew matrix of size b has b (b - 1) / 2 values above its diagonal.
      const block = Math.round((1 + Math.sqrt(1 + 8 * sizeAt(values['oft_R.weight'], 1))) / 2);
      return { kind: 'oft', block, sharesBlock, ...terms };
    });
  },
  write: ({ block, sharesBlock = false, terms }) => ({
    ...{ r: 0, oft_block_size: block, block_share: sharesBlock, bias: 'none' },
    use_cayley_neumann: terms !== undefined,
    ...(terms === undefined ? {} : { num_cayley_neumann_terms: terms }),
  }),
};

const hraFormat: Format<'hra'> = {
  type: 'HRA',
  read: (file) => grouped<'hra'>(file, ({ hra_u }) => ({ kind: 'hra', rank: sizeAt(hra_u, 1) })),
  write: ({ rank }) => ({ r: rank, apply_GS: false, bias: 'none' }),
};

const veraFormat: Format<'vera'> = {
  type: 'VERA',
  read: (file) => {
    const [low, high] = [file.others.get('vera_A'), file.others.get('vera_B')];
    if (!low || !high) {
      throw new QuintetError('unsupported', 'the file does not hold the shared matrices vera_A and vera_B', {
        at: file.config.at,
        hint: 'save the adapter with save_projection: PyTorch drew them, and only PyTorch draws them again',
      });
    }
    const widest = { in: sizeAt(low, 1), out: sizeAt(high, 0) };
    return [{ kind: 'vera', on: paths(file), rank: sizeAt(low, 0), widest }];
  },
  write: ({ rank, start = 0.1 }) => ({
    r: rank,
    d_initial: start,
    save_projection: true,
    vera_dropout: 0,
    bias: 'none',
  }),
};

const ia3Format: Format<'ia3'> = {
  type: 'IA3',
  read: (file) => {
    const inputs = paths(file).filter((path) => sizeAt(file.layers.get(path)?.ia3_l, 0) === 1);
    return [{ kind: 'ia3', on: paths(file), inputs }];
  },
  write: () => ({}),
};

const bottleneckFormat: Format<'bottleneck'> = {
  type: 'BOTTLENECK',
  read: (file) =>
    grouped<'bottleneck'>(file, (values) => ({ kind: 'bottleneck', width: sizeAt(values['adapter_down.weight'], 0) })),
  write: ({ width }) => ({ width }),
  patterns: { width: 'width_pattern' },
};

/** What is put before every text is in files as it came out, however it was learnt. */
const promptFormat = <Kind extends 'prompt' | 'p-tuning' | 'prefix'>(
  type: string,
  kind: 'prompt' | 'prefix',
): Format<Kind> => ({
  type,
  read: (file) => [{ kind, count: sizeAt(file.others.get('prompt_embeddings'), 0) }] as unknown as Groups<Kind>,
  write: ({ count }) => ({ num_virtual_tokens: count, num_transformer_submodules: 1 }),
});

const llamaAdapterFormat: Format<'llama-adapter'> = {
  type: 'ADAPTION_PROMPT',
  read: (file) => {
    const first = file.layers.values().next().value;
    const layers = paths(file).map((path) => {
      const [, layer] = /(?:^|\.)model\.layers\.(\d+)\.self_attn$/.exec(path) ?? [];
      if (layer !== undefined) return Number(layer);
      throw new QuintetError('unsupported', `prompts are for layers "model.layers.*.self_attn", not for ${path}`, {
        at: file.config.at,
      });
    });
    if (!first) throw new QuintetError('weights', 'there are no prompts', { at: file.config.at });
    return [{ kind: 'llama-adapter', count: sizeAt(first.adaption_prompt, 1), layers }];
  },
  write: ({ count, layers }) => ({ adapter_len: count, adapter_layers: layers.length, target_modules: 'self_attn' }),
};

const wordsFormat: Format<'words'> = {
  type: 'TRAINABLE_TOKENS',
  read: (file) => {
    const [path, ...more] = paths(file);
    if (path === undefined || more.length > 0) {
      throw new QuintetError('unsupported', `words of ${paths(file).length} tables learn; one is supported`, {
        at: file.config.at,
      });
    }
    return [{ kind: 'words', table: `${path}.weight`, ids: file.config.numbers('token_indices') }];
  },
  write: ({ ids }) => ({ token_indices: inOrder(ids) }),
};

const placedFormat = <Kind extends 'layers' | 'biases'>(type: string, kind: Kind): Format<Kind> => ({
  type,
  read: (file) => [{ kind, on: paths(file) }] as unknown as Groups<Kind>,
  write: () => ({}),
});

export const formats: { readonly [Kind in AdapterKind]: Format<Kind> } = {
  lora: loraFormat('lora'),
  dora: loraFormat('dora'),
  adalora: adaloraFormat,
  vera: veraFormat,
  loha: lohaFormat,
  lokr: lokrFormat,
  oft: oftFormat,
  hra: hraFormat,
  ia3: ia3Format,
  layers: {
    ...placedFormat('LN_TUNING', 'layers'),
    read: ({ others, isBeside }) => {
      const own = [...others.keys()].filter((name) => !isBeside(name));
      return [{ kind: 'layers', on: [...new Set(own.map((name) => name.replace(/\.[^.]*$/, '')))] }];
    },
  },
  biases: placedFormat('BEFT', 'biases'),
  bottleneck: bottleneckFormat,
  prompt: promptFormat<'prompt'>('PROMPT_TUNING', 'prompt'),
  'p-tuning': promptFormat<'p-tuning'>('P_TUNING', 'prompt'),
  prefix: promptFormat<'prefix'>('PREFIX_TUNING', 'prefix'),
  'llama-adapter': llamaAdapterFormat,
  words: wordsFormat,
};

/** The kind that a configuration names. */
export function kindOf(config: Fields): AdapterKind {
  const types = [...new Set(Object.values(formats).map(({ type }) => type))];
  const type = config.choice('peft_type', types);
  if (type === 'LORA') return config.flag('use_dora', false) ? 'dora' : 'lora';
  return (Object.keys(formats) as AdapterKind[]).find((kind) => formats[kind].type === type) as AdapterKind;
}
