/** Lion: algorithm 2 of the paper. value -= rate · (sign(beta1 m + (1 - beta1) g) + decay · value), m += (1 - beta2) (g - m) */

import type { Lion } from '../../system/index.js';
import { f32x4, v128 } from '../../tensor/wasm.js';
import { elementwise, kernelOver } from '../kernels.js';
import { checkBetas, type OptimiserRule } from './rule.js';

const { mul, add, sub, less } = f32x4;

const kernel = elementwise(
  {
    regions: ['values', 'gradients', 'first'],
    constants: ['gradientScale', 'shrink', 'oneMinusBeta1', 'oneMinusBeta2', 'rate', 'nothing'],
    locals: ['g', 'm', 'mixed', 'sign'],
  },
  (x) => [
    x.g.set(mul(x.gradients.get, x.gradientScale)),
    x.m.set(x.first.get),
    x.mixed.set(add(x.m.get, mul(sub(x.g.get, x.m.get), x.oneMinusBeta1))),
    // The rate where the sign is plus, less the rate where it is minus; nothing for zero.
    x.sign.set(sub(v128.and(less(x.nothing, x.mixed.get), x.rate), v128.and(less(x.mixed.get, x.nothing), x.rate))),
    x.values.put(sub(mul(x.values.get, x.shrink), x.sign.get)),
    x.first.put(add(x.m.get, mul(sub(x.g.get, x.m.get), x.oneMinusBeta2))),
  ],
);

const usual = [0.9, 0.99] as const;

export const lionRule: OptimiserRule<Lion> = {
  state: (_, { shape }) => ({ first: shape }),
  open({ betas: [beta1, beta2] = usual }, { memory }) {
    const run = kernelOver(memory, kernel);
    return {
      update({ values, gradients, state, bytes, rate, decay, gradientScale }) {
        const { first } = state as Readonly<Record<'first', Float32Array>>;
        const shares = { oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2 };
        const numbers = { ...shares, gradientScale, shrink: 1 - rate * decay, rate, nothing: 0 };
        run({ values, gradients, first }, bytes, numbers);
      },
    };
  },
  check: ({ betas = usual }, check) => checkBetas(betas, check),
};
