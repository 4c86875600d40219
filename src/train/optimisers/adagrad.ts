/** Adagrad: PyTorch's. s += g², value -= rate / (1 + (t - 1) rateDecay) · g / (sqrt(s) + eps) */

import type { Adagrad } from '../../system/index.js';
import { f32x4 } from '../../tensor/wasm.js';
import { elementwise, kernelOver } from '../kernels.js';
import { checkEps, type OptimiserRule } from './rule.js';

const { mul, add, sub, div, sqrt } = f32x4;

const kernel = elementwise(
  {
    regions: ['values', 'gradients', 'squares'],
    constants: ['gradientScale', 'pull', 'rate', 'eps'],
    locals: ['g', 's'],
  },
  (x) => [
    x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
    x.s.set(add(x.squares.get, mul(x.g.get, x.g.get))),
    x.squares.put(x.s.get),
    x.values.put(sub(x.values.get, mul(div(x.g.get, add(sqrt(x.s.get), x.eps)), x.rate))),
  ],
);

export const adagradRule: OptimiserRule<Adagrad> = {
  state: (_, { shape }) => ({ squares: shape }),
  open({ eps = 1e-10, rateDecay = 0 }, { memory }) {
    const run = kernelOver(memory, kernel);
    return {
      update({ values, gradients, state, bytes, step, rate, decay: pull, gradientScale }) {
        const { squares } = state as Readonly<Record<'squares', Float32Array>>;
        const numbers = { gradientScale, pull, rate: rate / (1 + (step - 1) * rateDecay), eps };
        run({ values, gradients, squares }, bytes, numbers);
      },
    };
  },
  check({ eps = 1e-10, rateDecay = 0 }, check) {
    checkEps(eps, check);
    check('rateDecay', rateDecay, rateDecay >= 0, 'a number from 0 on');
  },
};
