/** Activations under the names that published configurations use (`hidden_act`). */

import { gelu, quickGelu, relu, sigmoid, silu, type Tensor, tanh } from '../graph/index.js';
import type { Fields } from '../tensor/index.js';

export const activations = {
  gelu: (x: Tensor): Tensor => gelu(x),
  gelu_new: (x: Tensor): Tensor => gelu(x, 'tanh'),
  gelu_pytorch_tanh: (x: Tensor): Tensor => gelu(x, 'tanh'),
  gelu_fast: (x: Tensor): Tensor => gelu(x, 'tanh'),
  quick_gelu: quickGelu,
  relu,
  sigmoid,
  silu,
  swish: silu,
  tanh,
} as const;

export type ActivationName = keyof typeof activations;

/** The activation that a configuration names in a field. */
export function activationOf(config: Fields, field: string, otherwise: ActivationName): ActivationName {
  return config.choice(field, Object.keys(activations) as ActivationName[], otherwise);
}
