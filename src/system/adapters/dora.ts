/**
 * Weight-decomposed low-rank adaptation: y = m · (W + s B A) x / ‖W + s B A‖, with a norm for each row and a magnitude m
 * [out] that learns. As in the paper's section 4.3 no gradient passes through the norm. A convolution has a norm for each
 * kernel that makes a channel, and its magnitude is [1, out, 1, ...]: as PEFT has it.
 *
 * Liu et al., "DoRA", 2024, https://arxiv.org/abs/2402.09353
 */
import { add, detach, div, matmul, mul, sqrt, sum, type Tensor, transpose } from '../../graph/index.js';
import { ones, type Params, wrapScope } from '../../nn/index.js';
import { type HostArray, hostArray, toNumbers } from '../../tensor/index.js';
import { type Adapter, changeProducts, settingsFor } from './adapter.js';
import { isKernel, kernelChange, type LoraOptions, loraScale, lowRank, withBiases } from './lora.js';

const magnitude = 'lora_magnitude_vector';
const names = ['lora_A.weight', 'lora_B.weight', magnitude];

/** Adapts linear layers and convolutions. */
export function dora(...settings: readonly LoraOptions[]): Adapter {
  return {
    merges: true,
    parameters: withBiases(settings, names),
    adapt(p) {
      const products = changeProducts(p, { settings, names }, (layer, own) => {
        const y = add(layer.product(layer.x), lowRank(layer, own));
        const again = layer.p.shared;
        const width = layer.x.size(-1);
        const low = again.get('lora_A.weight', [own.rank, width]);
        const high = again.get('lora_B.weight', [layer.out, own.rank]);
        const whole = add(layer.weight(), mul(matmul(high, low), loraScale(own))); // [out, in]
        return mul(y, div(layer.p.get(magnitude, [layer.out], ones), norms(whole)));
      });
      return wrapScope(products, (inner) => kernelVerb(inner, settings));
    },
    begin(name) {
      if (!name.endsWith(`.${magnitude}`)) return undefined;
      return { weight: `${name.slice(0, -magnitude.length)}weight`, of: magnitudesOf };
    },
  };
}

/** Kernels of convolutions, which are used whole. */
function kernelVerb(inner: Params, settings: readonly LoraOptions[]): Partial<Pick<Params, 'get'>> {
  const own = settingsFor(settings, inner.path);
  if (!own) return {};
  return {
    get(name, shape, init) {
      const kernel = inner.get(name, shape, init);
      if (name !== 'weight' || !isKernel(inner, shape)) return kernel;
      const whole = add(kernel, kernelChange(inner, shape, own)); // [out, in, ...]
      const scale = inner.get(magnitude, magnitudeShape(shape), ones);
      return mul(whole, div(transpose(scale, swapped(shape)), norms(whole)));
    },
  };
}

/** The norm of what makes each output of a weight [out, in, ...], as a number that stays: [out], or [out, 1, 1, ...]. */
function norms(weight: Tensor): Tensor {
  const still = detach(weight);
  const axes = weight.shape.slice(1).map((_, axis) => axis + 1);
  return sqrt(sum(mul(still, still), axes, { keep: axes.length > 1 }));
}

/** The magnitudes of a linear layer [out] or of a convolution [1, out, 1, ...]. */
const magnitudeShape = ([out = 1, , ...rest]: readonly number[]): number[] =>
  rest.length > 0 ? [1, out, ...rest.map(() => 1)] : [out];

const swapped = ([, , ...rest]: readonly number[]): number[] => [1, 0, ...rest.map((_, axis) => axis + 2)];

/** The norms of a weight [out, in, ...], which magnitudes begin with. */
function magnitudesOf(weight: HostArray): HostArray {
  const { shape } = weight;
  const numbers = toNumbers(weight);
  const rows = shape[0] as number;
  const size = numbers.length / rows;
  const found = Array.from({ length: rows }, (_, row) => Math.hypot(...numbers.slice(row * size, (row + 1) * size)));
  return hostArray('f32', magnitudeShape(shape), found);
}
