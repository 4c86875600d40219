/**
 * Adam and its relatives in one kernel, which differ in a few numbers a step. PyTorch's AdamW, Adam, NAdam and RAdam, in
 * its order of operations:
 *
 *     g = scale · gradient + pull · value
 *     m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g²
 *     value = shrink · value - (ofMean · m + ofGradient · g) / (rootScale · sqrt(v) + eps)
 */
import type { Adam, AdamW, NAdam, RAdam } from '../../system/index.js';
import { type Code, f32x4, type Variable } from '../../tensor/wasm.js';
import { elementwise, type Four, kernelOver } from '../kernels.js';
import { checkBetas, checkEps, defaultBetas, type OptimiserRule, type TensorStep } from './rule.js';

const constants = [
  ...(['gradientScale', 'shrink', 'pull', 'oneMinusBeta1', 'beta2', 'oneMinusBeta2'] as const),
  ...(['rootScale', 'eps', 'ofMean', 'ofGradient'] as const),
];
type Constants = Readonly<Record<(typeof constants)[number], number>>;

const { mul, add, sub, div, sqrt, max } = f32x4;

const moments = { regions: ['values', 'gradients', 'first', 'second'], constants, locals: ['g', 'm', 'v'] } as const;
type Names<T extends 'regions' | 'constants' | 'locals'> = (typeof moments)[T][number];
type Moving = Readonly<
  Record<Names<'regions'>, Four> & Record<Names<'constants'>, Code> & Record<Names<'locals'>, Variable>
>;

/** Moves both moments, and leaves them in `m` and `v`. */
const move = (x: Moving): Code => [
  x.g.set(add(mul(x.gradients.get, x.gradientScale), mul(x.values.get, x.pull))),
  x.m.set(x.first.get),
  x.m.set(add(x.m.get, mul(sub(x.g.get, x.m.get), x.oneMinusBeta1))),
  x.v.set(add(mul(x.second.get, x.beta2), mul(mul(x.g.get, x.g.get), x.oneMinusBeta2))),
  x.first.put(x.m.get),
  x.second.put(x.v.get),
];

const step = (x: Moving): Code => [
  x.v.set(add(mul(sqrt(x.v.get), x.rootScale), x.eps)),
  x.m.set(add(mul(x.m.get, x.ofMean), mul(x.g.get, x.ofGradient))),
  x.values.put(sub(mul(x.values.get, x.shrink), div(x.m.get, x.v.get))),
];

const plain = elementwise(moments, (x) => [move(x), step(x)]);

/** By the largest second moment so far. */
const amsgrad = elementwise({ ...moments, regions: [...moments.regions, 'largest'] }, (x) => [
  move(x),
  x.v.set(max(x.largest.get, x.v.get)),
  x.largest.put(x.v.get),
  step(x),
]);

/** What a step does with moments that are there already. */
type Stepped = Pick<Constants, 'rootScale' | 'eps' | 'ofMean' | 'ofGradient'>;

interface Relative {
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly amsgrad?: boolean;
}

/** Whether decay is apart from the gradient or a part of it, and what each step multiplies by. */
function relative<O extends (Adam | AdamW | NAdam | RAdam) & Relative>(
  decoupled: boolean,
  stepped: (optimizer: O) => (tensor: TensorStep) => Stepped,
): OptimiserRule<O> {
  return {
    state: ({ amsgrad = false }, { shape }) => ({ first: shape, second: shape, ...(amsgrad && { largest: shape }) }),
    open(optimizer, { memory }) {
      const [beta1, beta2] = optimizer.betas ?? defaultBetas;
      const numbers = stepped(optimizer);
      const run = optimizer.amsgrad ? kernelOver(memory, amsgrad) : kernelOver(memory, plain);
      return {
        update(tensor) {
          const { values, gradients, state, bytes, rate, decay, gradientScale } = tensor;
          const { first, second, largest } = state as Readonly<Record<'first' | 'second' | 'largest', Float32Array>>;
          run({ values, gradients, first, second, largest }, bytes, {
            gradientScale,
            shrink: decoupled ? 1 - rate * decay : 1,
            pull: decoupled ? 0 : decay,
            oneMinusBeta1: 1 - beta1,
            beta2,
            oneMinusBeta2: 1 - beta2,
            ...numbers(tensor),
          });
        },
      };
    },
    check({ betas = defaultBetas, eps = 1e-8 }, check) {
      checkBetas(betas, check);
      checkEps(eps, check);
    },
  };
}

const corrected =
  ({ betas: [beta1, beta2] = defaultBetas, eps = 1e-8 }: Relative) =>
  ({ step, rate }: TensorStep): Stepped => ({
    rootScale: 1 / Math.sqrt(1 - beta2 ** step),
    eps,
    ofMean: rate / (1 - beta1 ** step),
    ofGradient: 0,
  });

export const adamwRule = relative<AdamW>(true, corrected);
export const adamRule = relative<Adam>(false, corrected);

export const nadamRule = relative<NAdam>(false, ({ betas = defaultBetas, eps = 1e-8, momentumDecay = 0.004 }) => {
  const [beta1, beta2] = betas;
  const momentum = (step: number): number => beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay));
  const product = running(momentum);
  return ({ step, rate }) => {
    const so = product(step);
    const [now, next] = [momentum(step), momentum(step + 1)];
    return {
      rootScale: 1 / Math.sqrt(1 - beta2 ** step),
      eps,
      ofMean: (rate * next) / (1 - so * next),
      ofGradient: (rate * (1 - now)) / (1 - so),
    };
  };
});

/** The product of factors 1 to n. It is followed from step to step, and made anew after a jump. */
function running(factor: (step: number) => number): (step: number) => number {
  let [at, product] = [0, 1];
  return (step) => {
    if (step < at) [at, product] = [0, 1];
    while (at < step) product *= factor(++at);
    return product;
  };
}

export const radamRule = relative<RAdam>(false, ({ betas = defaultBetas, eps = 1e-8 }) => {
  const [beta1, beta2] = betas;
  const longest = 2 / (1 - beta2) - 1;
  return ({ step, rate }) => {
    const [correction1, correction2] = [1 - beta1 ** step, 1 - beta2 ** step];
    const length = longest - (2 * step * beta2 ** step) / correction2;
    // Too few squares to say how much they vary: plain momentum.
    if (length <= 5) return { rootScale: 0, eps: 1, ofMean: rate / correction1, ofGradient: 0 };
    const known = (length - 4) * (length - 2) * longest;
    const rectified = Math.sqrt(known / ((longest - 4) * (longest - 2) * length));
    return {
      rootScale: 1,
      eps,
      ofMean: (rate * rectified * Math.sqrt(correction2)) / correction1,
      ofGradient: 0,
    };
  };
});
