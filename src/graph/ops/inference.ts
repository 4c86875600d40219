/** Ops that only inference graphs use: attention over a key-value cache, and numbers stored as integers. */

import { type Dim, formatShape, QuintetError } from '../../tensor/index.js';
import { type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';

function checkScales(x: Tensor, scale: Tensor, axis: number): void {
  if (scale.rank === 1 && scale.dim(0) === x.dim(axis)) return;
  throw new QuintetError(
    'shape',
    `scales ${formatShape(scale.shape)} do not fit axis ${axis} of ${formatShape(x.shape)}`,
  );
}

export const inference = {
  /**
   * Causal attention of T new tokens over a cache of keys and values, with grouped heads (Ainslie et al., 2023).
   *
   * Operands: query [B, T, H*K], key and value [B, T, G*K], past keys and values [B, G, S, K], i32 `last` [B] (the place
   * of each row's last token), i32 total (the longest row). With `do_rotary`, also cosines and sines [M, K/2]. Operands 12
   * and 13 where the cache is i8: what one step of its keys and of its values stands for, one number for all or [G*K].
   * Outputs: [B, T, H*K] and the present keys and values [B, G, `present`, K], which may share the past's memory.
   */
  GroupQueryAttention: rule<{
    num_heads: number;
    kv_num_heads: number;
    scale: number;
    do_rotary: 0 | 1;
    /** How many tokens each one sees, itself among them; all where it is left out. */
    local_window_size?: number;
    /** What scores level off at, in both directions; nothing where it is left out. */
    softcap?: number;
    /** Whether steps are one number or one a channel; both alike. */
    k_quant_type?: 'PER_TENSOR' | 'PER_CHANNEL';
    v_quant_type?: 'PER_TENSOR' | 'PER_CHANNEL';
    kv_cache_bit_width?: 8;
    /** Not an attribute of ONNX: the length of the present cache. */
    present: readonly Dim[];
  }>({
    domain: 'com.microsoft',
    floats: ['scale', 'softcap'],
    typeOnly: ['present'],
    gradient: 'none',
    infer: (inputs, { num_heads, kv_num_heads, present, do_rotary }) => {
      const [query, key, past] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 3)];
      const head = past.size(-1);
      if (query.dim(-1) !== num_heads * head || key.dim(-1) !== kv_num_heads * head || past.dim(1) !== kv_num_heads) {
        throw new QuintetError(
          'shape',
          `${num_heads} heads over ${kv_num_heads} of width ${head} do not fit ${formatShape(query.shape)}`,
        );
      }
      // ONNX Runtime's kernel takes no others.
      const multiple = do_rotary ? 16 : 8;
      if (head % multiple !== 0) {
        throw new QuintetError('unsupported', `heads of width ${head}; the width must be a multiple of ${multiple}`);
      }
      if ((past.dtype === 'i8') !== Boolean(inputs[12] && inputs[13])) {
        throw new QuintetError('dtype', `a cache of ${past.dtype} ${past.dtype === 'i8' ? 'without' : 'with'} steps`);
      }
      const cache = { dtype: past.dtype, shape: [past.dim(0), kv_num_heads, present[0] as Dim, head] };
      return [query, cache, cache];
    },
  }),

  /**
   * x over one scale for each place of an axis [N], rounded half to even and cut to what eight bits hold; the third operand is
   * an i8 of zeros [N], which says so.
   */
  QuantizeLinear: rule<{ axis: number }>({
    gradient: 'zero',
    infer: (inputs, { axis }) => {
      const [x, scale, zero] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      checkScales(x, scale, axis);
      return [{ dtype: zero.dtype, shape: x.shape }];
    },
  }),

  /** Integers times one scale for each place of an axis [N]. */
  DequantizeLinear: rule<{ axis: number }>({
    gradient: 'none',
    infer: (inputs, { axis }) => {
      const [x, scale] = [operand(inputs, 0), operand(inputs, 1)];
      checkScales(x, scale, axis);
      return [{ dtype: scale.dtype, shape: x.shape }];
    },
  }),
} satisfies Record<string, OpRule>;
