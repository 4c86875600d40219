/** Adamax: PyTorch's. m += (1 - beta1) (g - m), u = max(beta2 u, |g| + eps), value -= rate / (1 - beta1^t) · m / u */

import type { Adamax } from '../../system/index.js';
import { f32x4 } from '../../tensor/wasm.js';
import { elementwise, kernelOver } from '../kernels.js';
import { checkBetas, checkEps, defaultBetas, type OptimiserRule } from './rule.js';

const { mul, add, sub, div, abs, max } = f32x4;

const kernel = elementwise(
  {
    regions: ['values', 'gradients', 'first', 'norm'],
    constants: ['gradientScale', 'pull', 'oneMinusBeta1', 'beta2', 'eps', 'size'],
    locals: ['g', 'm', 'u'],
  },
  (x) => [
    x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
    x.m.set(x.first.get),
    x.m.set(add(x.m.get, mul(sub(x.g.get, x.m.get), x.oneMinusBeta1))),
    x.u.set(max(mul(x.norm.get, x.beta2), add(abs(x.g.get), x.eps))),
    x.first.put(x.m.get),
    x.norm.put(x.u.get),
    x.values.put(sub(x.values.get, mul(div(x.m.get, x.u.get), x.size))),
  ],
);

export const adamaxRule: OptimiserRule<Adamax> = {
  state: (_, { shape }) => ({ first: shape, norm: shape }),
  open({ betas: [beta1, beta2] = defaultBetas, eps = 1e-8 }, { memory }) {
    const run = kernelOver(memory, kernel);
    return {
      update({ values, gradients, state, bytes, step, rate, decay: pull, gradientScale }) {
        const { first, norm } = state as Readonly<Record<'first' | 'norm', Float32Array>>;
        const size = rate / (1 - beta1 ** step);
        const numbers = { gradientScale, pull, oneMinusBeta1: 1 - beta1, beta2, eps, size };
        run({ values, gradients, first, norm }, bytes, numbers);
      },
    };
  },
  check({ betas = defaultBetas, eps = 1e-8 }, check) {
    checkBetas(betas, check);
    checkEps(eps, check);
  },
};
