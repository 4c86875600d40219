/**
 * LLaMA-Adapter: in the upper layers every token attends to a learnt prompt as well, by the layer's own keys and values of
 * it, weighed by a gate that begins at zero.
 *
 * Zhang et al., "LLaMA-Adapter", 2023, https://arxiv.org/abs/2303.16199
 *
 * V tokens of the prompt, D width
 */
import { add, mul } from '../../graph/index.js';
import { attend, linear, normal, type Params, wrapScope, zeroed } from '../../nn/index.js';
import { type System, surrounded } from '../system.js';
import type { Adapter } from './adapter.js';

export interface LlamaAdapterOptions {
  /** Tokens of each layer's prompt. */
  readonly count: number;
  /** The layers, by number, whose attention has a prompt. */
  readonly layers: readonly number[];
  /** The attention of a layer as a path with `*` for its number; default LLaMA's. */
  readonly attention?: string;
}

/** Adapts attention with the layers `k_proj`, `v_proj` and `o_proj`. */
export function llamaAdapter({ count, layers, attention = 'model.layers.*.self_attn' }: LlamaAdapterOptions): Adapter {
  const own = (layer: number): string => attention.replace('*', `${layer}`);
  const isLast = (path: string): boolean =>
    layers.some((layer) => path === `${own(layer)}.o_proj` || path.endsWith(`.${own(layer)}.o_proj`));
  return {
    merges: false,
    parameters: layers.map((layer) => `**.${own(layer)}.adaption_{prompt,gate}`),
    // PEFT projects what was seen of the prompt by itself, so that a bias of the projection is added twice.
    adapt: (p) =>
      wrapScope(p, (inner) => {
        if (!isLast(inner.path)) return {};
        return {
          result: (y) => (inner.has('bias') ? add(inner.result(y), inner.shared.get('bias', [y.size(-1)])) : y),
        };
      }),
    around: (system) => surrounded(system, { attention: attentionOf(system, { count, layers, own }) }),
  };
}

interface Prompted {
  readonly count: number;
  readonly layers: readonly number[];
  own(layer: number): string;
}

function attentionOf({ backbone }: System, { count, layers, own }: Prompted): NonNullable<System['attention']> {
  const { part, prefix } = backbone;
  return (root, context) => ({
    ...context,
    attend(layer, q, k, v, options) {
      const seen = context.attend(layer, q, k, v, options);
      if (!layers.includes(layer)) return seen;
      const p = root.at(prefix, own(layer));
      const prompt = p.get('adaption_prompt', [1, count, part.width], normal(1));
      const made = (name: string, width: number) => linear(p.at(name).shared, prompt, width, biasOf(p.at(name)));
      const { heads, kvHeads, scale } = options;
      const further = attend(q, made('k_proj', k.size(-1)), made('v_proj', v.size(-1)), {
        ...{ heads, kvHeads },
        ...(scale === undefined ? {} : { scale }),
      });
      return add(seen, mul(p.get('adaption_gate', [1], zeroed), further));
    },
  });
}

const biasOf = (p: Params): { readonly bias: boolean } => ({ bias: p.has('bias') });
