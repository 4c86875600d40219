/** Layers with parameters: functions of a scope and tensors. B batch, C channels; `...` any leading axes. */

import {
  add,
  conv,
  detach,
  equal,
  full,
  instanceNormalization,
  layerNormalization,
  mul,
  reshape,
  rmsNormalization,
  type Tensor,
  unsqueeze,
  where,
} from '../graph/index.js';
import { type Fields, mulDims, productOf, QuintetError } from '../tensor/index.js';
import { fanIn, type Init, normal, ones, zeroed } from './init.js';
import type { LayerWidth, Params } from './params.js';

interface LinearOptions {
  readonly bias?: boolean;
  readonly init?: Init;
}

/** x [..., in] -> [..., out]; weight [out, in], bias [out]. */
export function linear(p: Params, x: Tensor, out: number, { bias = true, init }: LinearOptions = {}): Tensor {
  return withBias(p, p.product('weight', x, out, init), bias);
}

/** Several linear layers of one x [..., in], by their names in the scope -> [..., out] each. */
export function linears(
  p: Params,
  x: Tensor,
  layers: readonly LayerWidth[],
  { bias = true, init }: LinearOptions = {},
): Tensor[] {
  return p.products(layers, x, init).map((y, i) => {
    const [layer] = layers[i] as LayerWidth;
    return withBias(p.at(layer), y, bias);
  });
}

/** The layers `q_proj`, `k_proj` and `v_proj` of x [..., in] -> queries [..., out], keys and values [..., kvOut]. */
export function queriesKeysValues(
  p: Params,
  x: Tensor,
  out: number,
  { kvOut = out, ...options }: LinearOptions & { readonly kvOut?: number } = {},
): readonly [q: Tensor, k: Tensor, v: Tensor] {
  const layers = [
    ['q_proj', out],
    ['k_proj', kvOut],
    ['v_proj', kvOut],
  ] as const;
  return linears(p, x, layers, options) as [Tensor, Tensor, Tensor];
}

/** A linear layer with a weight that is stored [in, out], which GPT-2's files call Conv1D. */
export function inOutLinear(p: Params, x: Tensor, out: number, { bias = true, init }: LinearOptions = {}): Tensor {
  return withBias(p, p.inOutProduct('weight', x, out, init), bias);
}

/** What a layer gives, of its product y [..., out]. */
function withBias(p: Params, y: Tensor, bias: boolean): Tensor {
  return p.result(bias ? add(y, p.get('bias', [y.size(-1)], zeroed)) : y);
}

/**
 * Ids [...] -> [..., width] by a table [count, width]. Where a text is of the word `padding` the table learns nothing, as by
 * torch's `padding_idx`; a head that is the same table still learns to score that word.
 */
export function embedding(
  p: Params,
  ids: Tensor,
  table: readonly [count: number, width: number],
  padding?: number,
): Tensor {
  const rows = p.rows('weight', ids, table, normal(0.02));
  if (padding === undefined) return rows;
  return where(unsqueeze(equal(ids, padding), ids.rank), detach(rows), rows);
}

/**
 * The word `pad_token_id` of a vocabulary, by which published models pad; the family's default where a file is silent, none
 * where it says null. One below zero is counted from the end.
 */
export function readPadding(config: Fields, vocab: number, otherwise?: number): { readonly padding?: number } {
  const said = Object.hasOwn(config.raw, 'pad_token_id') ? config.raw.pad_token_id : otherwise;
  if (said === undefined || said === null) return {};
  const id = config.number('pad_token_id', otherwise);
  const padding = id < 0 ? vocab + id : id;
  return Number.isInteger(padding) && padding >= 0 && padding < vocab ? { padding } : {};
}

interface WordHead {
  readonly vocab: number;
  /** The scope of the embedding table that scores as well; undefined for a head of its own, `lm_head`. */
  readonly table: string | undefined;
  /** Of a head of its own. */
  readonly init?: Init;
}

/** Hidden states [..., width] -> a score for each word [..., vocab]. */
export function wordScores(p: Params, hidden: Tensor, { vocab, table, init = normal(0.02) }: WordHead): Tensor {
  return table === undefined
    ? p.at('lm_head').product('weight', hidden, vocab, init)
    : p.at(table).shared.product('weight', hidden, vocab);
}

/** Normalises the last axis; weight and bias of its width. */
export function layerNorm(p: Params, x: Tensor, epsilon: number): Tensor {
  const width = x.size(-1);
  return layerNormalization(x, p.get('weight', [width], ones), p.get('bias', [width], zeroed), epsilon);
}

/** Divides the last axis by its root mean square; weight of its width. */
export function rmsNorm(p: Params, x: Tensor, epsilon: number): Tensor {
  return rmsNormalization(x, p.get('weight', [x.size(-1)], ones), epsilon);
}

/** Normalises the channels of x [B, C, ...] in groups, each over all places (Wu and He, 2018); weight and bias [C]. */
export function groupNorm(p: Params, x: Tensor, groups: number, epsilon: number): Tensor {
  const channels = x.size(1);
  if (channels % groups !== 0) {
    throw new QuintetError('shape', `${channels} channels do not divide into ${groups} groups`, { at: p.path });
  }
  const rest = productOf(x.shape.slice(2));
  const grouped = reshape(x, [x.dim(0), groups, mulDims(channels / groups, rest)]);
  const unit = instanceNormalization(grouped, full('f32', [groups], 1), full('f32', [groups], 0), epsilon);
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  const weight = reshape(p.get('weight', [channels], ones), perChannel);
  return add(mul(reshape(unit, x.shape), weight), reshape(p.get('bias', [channels], zeroed), perChannel));
}

interface ConvolutionOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number | readonly number[];
  readonly groups?: number;
  readonly bias?: boolean;
  readonly init?: Init;
}

/** x [B, C, height, width] -> [B, out, ...]; weight [out, C/groups, kernel, kernel], bias [out]. */
export function convolution(
  p: Params,
  x: Tensor,
  out: number,
  { kernel, stride = 1, padding = 0, groups = 1, bias = true, init = fanIn }: ConvolutionOptions,
): Tensor {
  const channels = x.size(1);
  if (channels % groups !== 0) {
    throw new QuintetError('shape', `${channels} channels do not divide into ${groups} groups`, { at: p.path });
  }
  const spatial = x.shape.slice(2);
  const weight = p.get('weight', [out, channels / groups, ...spatial.map(() => kernel)], init);
  const y = conv(x, weight, { stride, padding, groups });
  return bias ? add(y, reshape(p.get('bias', [out], zeroed), [1, out, ...spatial.map(() => 1)])) : y;
}
