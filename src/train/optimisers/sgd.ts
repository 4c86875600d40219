/** Gradient descent, with momentum where it is asked for: PyTorch's. */

import type { SGD } from '../../system/index.js';
import { f32x4 } from '../../tensor/wasm.js';
import { elementwise, kernelOver } from '../kernels.js';
import { checkPart, type OptimiserRule } from './rule.js';

const { mul, add, sub } = f32x4;

const plain = elementwise(
  { regions: ['values', 'gradients'], constants: ['gradientScale', 'pull', 'rate'], locals: ['g'] },
  (x) => [
    x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
    x.values.put(sub(x.values.get, mul(x.g.get, x.rate))),
  ],
);

/** m = keep · m + share · g, value -= rate · (ofMean · m + ofGradient · g) */
const withMomentum = elementwise(
  {
    regions: ['values', 'gradients', 'first'],
    constants: ['gradientScale', 'pull', 'rate', 'keep', 'share', 'ofMean', 'ofGradient'],
    locals: ['g', 'm'],
  },
  (x) => [
    x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
    x.m.set(add(mul(x.first.get, x.keep), mul(x.g.get, x.share))),
    x.first.put(x.m.get),
    x.m.set(add(mul(x.m.get, x.ofMean), mul(x.g.get, x.ofGradient))),
    x.values.put(sub(x.values.get, mul(x.m.get, x.rate))),
  ],
);

export const sgdRule: OptimiserRule<SGD> = {
  state: ({ momentum = 0 }, { shape }) => (momentum > 0 ? { first: shape } : {}),
  open({ momentum = 0, dampening = 0, nesterov = false }, { memory }) {
    const [descend, roll] = [kernelOver(memory, plain), kernelOver(memory, withMomentum)];
    const step = { ofMean: nesterov ? momentum : 1, ofGradient: nesterov ? 1 : 0 };
    return {
      update({ values, gradients, state: { first }, bytes, step: index, rate, decay: pull, gradientScale }) {
        if (!first) descend({ values, gradients }, bytes, { gradientScale, pull, rate });
        else {
          // The first gradient is taken whole.
          const mixed = index === 1 ? { keep: 0, share: 1 } : { keep: momentum, share: 1 - dampening };
          roll({ values, gradients, first }, bytes, { gradientScale, pull, rate, ...mixed, ...step });
        }
      },
    };
  },
  check({ momentum = 0, dampening = 0, nesterov = false }, check) {
    checkPart('momentum', momentum, check);
    checkPart('dampening', dampening, check);
    check('nesterov', nesterov, !nesterov || (momentum > 0 && dampening === 0), 'momentum, and no dampening, with it');
  },
};
