/**
 * Scalings of rotary positions: how a model that was trained on short contexts reads long ones.
 *
 * Two of them, `dynamicScaling` and `longScaling`, depend on how long the longest row is: with all that is read together,
 * which may be several calls of a graph, or else in the call alone. Keys that a cache holds keep the angles that they were
 * computed with, as in transformers; so tokens that are written one by one across the trained length give other numbers than
 * the same tokens read at once. (Phi-3's are read again as they cross it: `Backbone.readsAgain`.)
 *
 * R turned numbers of a head
 */
import { div, exp, greater, log, maximum, mul, sub, type Tensor, values, where } from '../graph/index.js';
import { type Fields, QuintetError } from '../tensor/index.js';
import type { RotaryConfig } from './rotary.js';

/** The angles as they are without any scaling, and what a scaling may depend on. */
export interface Waves {
  /** Inverse wavelengths, R/2 of them. */
  readonly plain: readonly number[];
  readonly theta: number;
  /** Tokens of the longest row: a scalar, f32. */
  readonly length: Tensor;
}

export interface ScaledWaves {
  /** Inverse wavelengths [R/2]. */
  readonly frequencies: Tensor;
  /** What cosines and sines are multiplied by, so that attention is as sharp as over short contexts; default 1. */
  readonly gain?: number;
}

export interface RotaryScaling {
  scale(waves: Waves): ScaledWaves;
  readonly anglesBy?: AnglesBy;
}

/** What of a length angles depend on: equal for lengths by which all tokens are turned alike, never less for longer ones. */
export type AnglesBy = (length: number) => number;

const row = (numbers: readonly number[]): Tensor => values('f32', [numbers.length], numbers);

/** Positions divided by a factor. Chen et al., 2023, https://arxiv.org/abs/2306.15595 */
export function linearScaling(factor: number): RotaryScaling {
  return { scale: ({ plain }) => ({ frequencies: row(plain.map((frequency) => frequency / factor)) }) };
}

interface DynamicScaling {
  readonly factor: number;
  /** The context that the model was trained on, in tokens. */
  readonly original: number;
}

/**
 * A base that grows with the length beyond the trained one ("NTK-aware"), so that the longest waves reach as far as needed and
 * the shortest stay. Described in Peng et al., "YaRN", 2023, section 3.1, https://arxiv.org/abs/2309.00071
 */
export function dynamicScaling({ factor, original }: DynamicScaling): RotaryScaling {
  const scale: RotaryScaling['scale'] = ({ plain, length }) => {
    // theta' = theta · growth^(R / (R - 2)), and a wave's frequency is theta'^(-2 i / R).
    const growth = sub(mul(maximum(length, original), factor / original), factor - 1);
    const powers = row(plain.map((_, i) => (i === 0 ? 0 : (-2 * i) / (2 * plain.length - 2))));
    return { frequencies: mul(row(plain), exp(mul(log(growth), powers))) };
  };
  return { scale, anglesBy: (length) => Math.max(length, original) };
}

export interface YarnScaling {
  readonly factor: number;
  readonly original: number;
  /** Waves that turn more often than `fast` within the trained context are kept, less often than `slow` stretched. */
  readonly fast?: number;
  readonly slow?: number;
  /** Whether the waves at these bounds are counted in whole numbers; default true. */
  readonly whole?: boolean;
  /** Default: 0.1 ln(factor) + 1. */
  readonly gain?: number;
}

/** Long waves are stretched, short ones kept, those between blended by their number. Peng et al., section 3.2 to 3.4 */
export function yarnScaling({
  factor,
  original,
  fast = 32,
  slow = 1,
  whole = true,
  ...rest
}: YarnScaling): RotaryScaling {
  const { gain = yarnGain(factor) } = rest;
  const scale: RotaryScaling['scale'] = ({ plain, theta }) => {
    const turned = 2 * plain.length;
    /** The number, as a fraction, of the wave that turns so many times within the trained context. */
    const wave = (turns: number): number =>
      (turned * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
    const first = Math.max(whole ? Math.floor(wave(fast)) : wave(fast), 0);
    const last = Math.min(whole ? Math.ceil(wave(slow)) : wave(slow), turned - 1);
    const span = first === last ? 0.001 : last - first;
    const stretched = plain.map((frequency, i) => {
      const share = Math.min(1, Math.max(0, (i - first) / span));
      return (share * frequency) / factor + (1 - share) * frequency;
    });
    return { frequencies: row(stretched), gain };
  };
  return { scale };
}

/** How much cosines and sines of a context `factor` times as long are amplified: YaRN's temperature. */
function yarnGain(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

export interface LongScaling {
  /** What each wavelength is multiplied by, up to the trained length and beyond it. */
  readonly short: readonly number[];
  readonly long: readonly number[];
  readonly original: number;
  readonly gain: number;
  /** Where the factors are written, for messages. */
  readonly at?: string;
}

/** Searched factors for each wave, one list for short and one for long contexts: Ding et al., "LongRoPE", 2024, https://arxiv.org/abs/2402.13753 */
export function longScaling({ short, long, original, gain, at }: LongScaling): RotaryScaling {
  const scale: RotaryScaling['scale'] = ({ plain, length }) => {
    for (const [name, { length: count }] of Object.entries({ short_factor: short, long_factor: long })) {
      if (count === plain.length) continue;
      const why = `${name}: ${count} factors for ${plain.length} rotary wavelengths`;
      throw new QuintetError('config', why, at === undefined ? {} : { at });
    }
    const factors = where(greater(length, original), row(long), row(short));
    return { frequencies: div(row(plain), factors), gain };
  };
  return { scale, anglesBy: (length) => Number(length > original) };
}

interface Llama3Scaling {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** The context that the model was first trained on, in tokens. */
  readonly original: number;
}

/** Long waves are stretched, short ones kept, those between blended: Llama 3.1, https://arxiv.org/abs/2407.21783 */
export function llama3Scaling({ factor, low, high, original }: Llama3Scaling): RotaryScaling {
  const stretched = (frequency: number): number => {
    const turns = (original * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const kept = (turns - low) / (high - low);
    return ((1 - kept) * frequency) / factor + kept * frequency;
  };
  return { scale: ({ plain }) => ({ frequencies: row(plain.map(stretched)) }) };
}

export interface RotaryDefaults {
  readonly theta?: number;
  /** `max_position_embeddings` of a configuration that has none. */
  readonly context?: number;
  /**
   * Whether the family turns a part of each head where nothing is scaled, too. In transformers the functions of the scalings
   * know `partial_rotary_factor`, and of the families' own only Phi-3's; LLaMA's turns all. Default false.
   */
  readonly partial?: boolean;
}

/**
 * Reads `rope_theta`, `partial_rotary_factor` and `rope_scaling`, or `rope_parameters` as newer files have them. What they
 * leave out is what transformers takes.
 */
export function readRotary(
  config: Fields,
  { theta = 10000, context = 2048, partial = false }: RotaryDefaults = {},
): RotaryConfig {
  const parameters = parametersOf(config);
  const part = parameters.number('partial_rotary_factor', config.number('partial_rotary_factor', 1));
  const scaling = readScaling(config, parameters, config.count('max_position_embeddings', context));
  const share = scaling || partial ? part : 1;
  return {
    theta: parameters.number('rope_theta', config.number('rope_theta', theta)),
    ...(share === 1 ? {} : { share }),
    ...(scaling ? { scaling } : {}),
  };
}

/**
 * The longest context that a configuration's positions are good for: scalings that are told apart from the trained length
 * reach beyond it.
 */
export function readContext(config: Fields, otherwise: number): number {
  const context = config.count('max_position_embeddings', otherwise);
  const parameters = parametersOf(config);
  const kind = kindOf(parameters);
  if (kind === 'dynamic') return Math.floor(context * factorOf(parameters));
  if (kind !== 'yarn') return context;
  const original = originalOf(config, parameters, context);
  return Math.max(context, Math.floor(original * factorOf(parameters, impliedFactor(config, parameters, context))));
}

const kinds = ['default', 'linear', 'dynamic', 'yarn', 'longrope', 'su', 'llama3'] as const;

/** Where a file has both, the older field counts, as in transformers. */
function parametersOf(config: Fields): Fields {
  const older = config.object('rope_scaling', { optional: true });
  return Object.keys(older.raw).length > 0 ? older : config.object('rope_parameters', { optional: true });
}

/** The first files of Phi-3 call LongRoPE YaRN. */
function kindOf(parameters: Fields): (typeof kinds)[number] {
  const kind = parameters.choice(parameters.has('rope_type') ? 'rope_type' : 'type', kinds, 'default');
  return kind === 'yarn' && parameters.has('short_factor') ? 'longrope' : kind;
}

const originalField = 'original_max_position_embeddings';

/** The trained length; some files have it beside the scaling, which then counts. */
function originalOf(config: Fields, parameters: Fields, context: number): number {
  return config.count(originalField, parameters.count(originalField, context));
}

/** By how much the context exceeds the trained one, where that is said: what a factor is that is not. */
function impliedFactor(config: Fields, parameters: Fields, context: number): number | undefined {
  if (!config.has(originalField) && !parameters.has(originalField)) return undefined;
  return context / originalOf(config, parameters, context);
}

function factorOf(parameters: Fields, otherwise?: number): number {
  const factor = parameters.number('factor', otherwise);
  if (factor > 0) return factor;
  throw parameters.wrong('factor', 'a number above 0');
}

function readScaling(config: Fields, parameters: Fields, context: number): RotaryScaling | undefined {
  const trained = originalOf(config, parameters, context);
  const implied = impliedFactor(config, parameters, context);
  switch (kindOf(parameters)) {
    case 'default':
      return undefined;
    case 'linear':
      return linearScaling(factorOf(parameters));
    case 'dynamic':
      return dynamicScaling({ factor: factorOf(parameters), original: context });
    case 'yarn':
      return yarnScaling(readYarn(parameters, trained, factorOf(parameters, implied)));
    case 'longrope':
    case 'su': {
      const factor = factorOf(parameters, context / trained);
      const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(trained));
      const [short, long] = [parameters.numbers('short_factor'), parameters.numbers('long_factor')];
      const gain = parameters.number('attention_factor', usual);
      return longScaling({ short, long, original: trained, gain, at: parameters.at });
    }
    case 'llama3':
      return llama3Scaling({
        factor: factorOf(parameters),
        low: parameters.number('low_freq_factor'),
        high: parameters.number('high_freq_factor'),
        original: trained,
      });
  }
}

function readYarn(parameters: Fields, original: number, factor: number): YarnScaling {
  const [scale, scaleOfAll] = [parameters.number('mscale', 0), parameters.number('mscale_all_dim', 0)];
  const usual = scale && scaleOfAll ? yarnGain(factor, scale) / yarnGain(factor, scaleOfAll) : yarnGain(factor);
  return {
    factor,
    original,
    fast: parameters.number('beta_fast', 32) || 32,
    slow: parameters.number('beta_slow', 1) || 1,
    whole: parameters.flag('truncate', true),
    gain: parameters.number('attention_factor', usual),
  };
}
