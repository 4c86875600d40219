/**
 * Weight-decomposed low-rank adaptation: y = m · (W + s B A) x / ‖W + s B A‖, with a norm for each row and a magnitude m
 * [out] that learns. As in the paper's section 4.3 no gradient passes through the norm.
 *
 * Liu et al., "DoRA", 2024, https://arxiv.org/abs/2402.09353
 */
import { add, detach, div, matmul, mul, sqrt, sum } from '../../graph/index.js';
import { ones } from '../../nn/index.js';
import { type HostArray, hostArray, toNumbers } from '../../tensor/index.js';
import { type Adapter, changeProducts, namesIn } from './adapter.js';
import { biasesOf, type LoraOptions, loraScale, lowRank } from './lora.js';

const magnitude = 'lora_magnitude_vector';
const names = ['lora_A.weight', 'lora_B.weight', magnitude];

/** Adapts linear layers. */
export function dora(...settings: readonly LoraOptions[]): Adapter {
  return {
    merges: true,
    parameters: [...namesIn(settings, names), ...biasesOf(settings)],
    adapt: (p) =>
      changeProducts(p, { settings, names }, (layer, own) => {
        const y = add(layer.product(layer.x), lowRank(layer, own));
        const again = layer.p.shared;
        const width = layer.x.size(-1);
        const low = again.get('lora_A.weight', [own.rank, width]);
        const high = again.get('lora_B.weight', [layer.out, own.rank]);
        const whole = detach(add(layer.weight(), mul(matmul(high, low), loraScale(own)))); // [out, in]
        const norms = sqrt(sum(mul(whole, whole), [-1]));
        return mul(y, div(layer.p.get(magnitude, [layer.out], ones), norms));
      }),
    begin(name) {
      if (!name.endsWith(`.${magnitude}`)) return undefined;
      return { weight: `${name.slice(0, -magnitude.length)}weight`, of: rowNorms };
    },
  };
}

/** The norm of each row of a weight [out, in]: [out] */
function rowNorms(weight: HostArray): HostArray {
  const [rows, width] = weight.shape as [number, number];
  const numbers = toNumbers(weight);
  const norms = Array.from({ length: rows }, (_, row) => Math.hypot(...numbers.slice(row * width, (row + 1) * width)));
  return hostArray('f32', [rows], norms);
}
