/** RMSprop: PyTorch's, with eps outside the root. */

import type { RMSprop } from '../../system/index.js';
import { f32x4 } from '../../tensor/wasm.js';
import { elementwise, kernelOver } from '../kernels.js';
import { checkEps, checkPart, type OptimiserRule } from './rule.js';

const { mul, add, sub, div, sqrt } = f32x4;

interface Form {
  readonly centered: boolean;
  readonly momentum: boolean;
}

const kernelOf = ({ centered, momentum }: Form) =>
  elementwise(
    {
      regions: [
        ...(['values', 'gradients', 'second'] as const),
        ...(centered ? (['mean'] as const) : []),
        ...(momentum ? (['first'] as const) : []),
      ],
      constants: ['gradientScale', 'pull', 'rate', 'smoothing', 'share', 'eps', 'keep'],
      locals: ['g', 'v', 'm'],
    },
    (x) =>
      [
        x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
        x.v.set(add(mul(x.second.get, x.smoothing), mul(mul(x.g.get, x.g.get), x.share))),
        x.second.put(x.v.get),
        centered && [
          x.m.set(x.mean.get),
          x.m.set(add(x.m.get, mul(sub(x.g.get, x.m.get), x.share))),
          x.mean.put(x.m.get),
          x.v.set(sub(x.v.get, mul(x.m.get, x.m.get))),
        ],
        x.m.set(div(x.g.get, add(sqrt(x.v.get), x.eps))),
        momentum && [x.m.set(add(mul(x.first.get, x.keep), x.m.get)), x.first.put(x.m.get)],
        x.values.put(sub(x.values.get, mul(x.m.get, x.rate))),
      ].filter((code) => code !== false),
  );

type Arrays = Readonly<Record<'second' | 'mean' | 'first', Float32Array>>;

export const rmspropRule: OptimiserRule<RMSprop> = {
  state: ({ centered = false, momentum = 0 }, { shape }) => ({
    second: shape,
    ...(centered && { mean: shape }),
    ...(momentum > 0 && { first: shape }),
  }),
  open({ smoothing = 0.99, eps = 1e-8, momentum = 0, centered = false }, { memory }) {
    const run = kernelOver(memory, kernelOf({ centered, momentum: momentum > 0 }));
    return {
      update({ values, gradients, state, bytes, rate, decay: pull, gradientScale }) {
        const shares = { smoothing, share: 1 - smoothing, keep: momentum };
        run({ values, gradients, ...(state as Arrays) }, bytes, { ...shares, gradientScale, pull, rate, eps });
      },
    };
  },
  check({ smoothing = 0.99, eps = 1e-8, momentum = 0 }, check) {
    checkPart('smoothing', smoothing, check);
    checkPart('momentum', momentum, check);
    checkEps(eps, check);
  },
};
