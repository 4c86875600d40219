/** Activations under the names that published configurations use (`hidden_act`). */

import {
  add,
  clip,
  div,
  erf,
  gelu,
  maximum,
  minimum,
  mul,
  quickGelu,
  relu,
  sigmoid,
  silu,
  softplus,
  sqrt,
  sub,
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
  hardswish: (x: Tensor): Tensor => mul(x, div(clip(add(x, 3), 0, 6), 6)),
  quick_gelu: quickGelu,
  // Of MEGA, https://arxiv.org/abs/2209.10655: a normal distribution's share below x, near squared ReLU around its mean.
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: transformers' own digits
  laplace: (x: Tensor): Tensor => mul(add(erf(div(sub(x, 0.707107), 0.282095 * Math.SQRT2)), 1), 0.5),
  leaky_relu: (x: Tensor): Tensor => maximum(x, mul(x, 0.01)),
  linear: (x: Tensor): Tensor => x,
  mish: (x: Tensor): Tensor => mul(x, tanh(softplus(x))),
  relu,
  relu2: (x: Tensor): Tensor => mul(relu(x), relu(x)),
  relu6: (x: Tensor): Tensor => minimum(relu(x), 6),
  sigmoid,
  silu,
  sqrtsoftplus: (x: Tensor): Tensor => sqrt(softplus(x)),
  swish: silu,
  tanh,
} as const;

export type ActivationName = keyof typeof activations;

/** The activation that a configuration names in a field. */
export function activationOf(config: Fields, field: string, otherwise: ActivationName): ActivationName {
  return config.choice(field, Object.keys(activations) as ActivationName[], otherwise);
}
