/** Activations under the names that published configurations use (`hidden_act`). */

import {
  clip,
  gelu,
  maximum,
  minimum,
  mul,
  quickGelu,
  relu,
  sigmoid,
  silu,
  softplus,
  type Tensor,
  tanh,
} from '../graph/index.js';
import type { Fields } from '../tensor/index.js';

const exactGelu = (x: Tensor): Tensor => gelu(x);
const tanhGelu = (x: Tensor): Tensor => gelu(x, 'tanh');

/** Names of one row say the same, and differ in how PyTorch computes it. */
export const activations = {
  ...{ gelu: exactGelu, gelu_python: exactGelu },
  ...{ gelu_new: tanhGelu, gelu_pytorch_tanh: tanhGelu, gelu_fast: tanhGelu },
  ...{ gelu_accurate: tanhGelu, gelu_python_tanh: tanhGelu },
  gelu_10: (x: Tensor): Tensor => clip(gelu(x), -10, 10),
  quick_gelu: quickGelu,
  leaky_relu: (x: Tensor): Tensor => maximum(x, mul(x, 0.01)),
  linear: (x: Tensor): Tensor => x,
  mish: (x: Tensor): Tensor => mul(x, tanh(softplus(x))),
  relu,
  relu2: (x: Tensor): Tensor => mul(relu(x), relu(x)),
  relu6: (x: Tensor): Tensor => minimum(relu(x), 6),
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
