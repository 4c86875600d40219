/**
 * Muon: momentum, made orthogonal by five Newton-Schulz iterations, which are an engine graph. PyTorch's, which iterates in
 * bfloat16; here it is float32.
 *
 * M rows, N columns
 */
import { add, div, graph, input, matmul, maximum, mul, sqrt, sum, type Tensor, transpose } from '../../graph/index.js';
import { matches } from '../../nn/index.js';
import type { Session } from '../../runtime/engine.js';
import type { AdamW, Muon, MuonRest } from '../../system/index.js';
import { closeAll } from '../../tensor/index.js';
import { f32x4 } from '../../tensor/wasm.js';
import type { TrainedTensor } from '../arena.js';
import { elementwise, kernelOver } from '../kernels.js';
import { adamwRule } from './adam.js';
import { checkPart, checkPatterns, type OptimiserRule } from './rule.js';

const iterations = 5;
/** Of the polynomial that takes singular values towards 1. */
const coefficients = [3.4445, -4.775, 2.0315] as const;
const smallestNorm = 1e-7;

/** The orthogonal matrix nearest to x [M, N], about. The smaller of its two products with itself is iterated on. */
function orthogonal(x: Tensor, wide: boolean): Tensor {
  const [a, b, c] = coefficients;
  let y = div(x, maximum(sqrt(sum(mul(x, x))), smallestNorm));
  for (let i = 0; i < iterations; i++) {
    const gram = wide ? matmul(y, transpose(y)) : matmul(transpose(y), y);
    const change = add(mul(gram, b), mul(matmul(gram, gram), c));
    y = add(mul(y, a), wide ? matmul(change, y) : matmul(y, change));
  }
  return y;
}

const isWide = ([rows = 1, columns = 1]: readonly number[]): boolean => rows <= columns;
const orthogonaliser = (wide: boolean) =>
  graph('orthogonal', { result: orthogonal(input('matrix', 'f32', ['M', 'N']), wide) });

const { mul: times, add: plus, sub: minus } = f32x4;

/** first += (1 - momentum) (g - first); the gradients become g + ofMean (first - g). */
const mix = elementwise(
  {
    regions: ['gradients', 'first'],
    constants: ['gradientScale', 'oneMinusMomentum', 'ofMean'],
    locals: ['g', 'm'],
  },
  (x) => [
    x.g.set(times(x.gradients.get, x.gradientScale)),
    x.m.set(x.first.get),
    x.m.set(plus(x.m.get, times(minus(x.g.get, x.m.get), x.oneMinusMomentum))),
    x.first.put(x.m.get),
    x.gradients.put(plus(x.g.get, times(minus(x.m.get, x.g.get), x.ofMean))),
  ],
);

const take = elementwise({ regions: ['values', 'update'], constants: ['shrink', 'rate'] }, (x) => [
  x.values.put(minus(times(x.values.get, x.shrink), times(x.update.get, x.rate))),
]);

/** A rate that is right for one shape, for another. */
function adjusted(rate: number, [rows = 1, columns = 1]: readonly number[], adjust: Muon['adjust']): number {
  return adjust === 'match-rms'
    ? rate * 0.2 * Math.sqrt(Math.max(rows, columns))
    : rate * Math.sqrt(Math.max(1, rows / columns));
}

/** Whether a tensor is left to AdamW. */
const isRest = ({ rest }: Muon, { name, shape }: TrainedTensor): boolean =>
  shape.length !== 2 || matches(name, rest?.on ?? []);

const adamwOf = ({ on: _, ...settings }: MuonRest): AdamW => ({ kind: 'adamw', ...settings });

export const muonRule: OptimiserRule<Muon> = {
  state: (optimizer, tensor) => ({
    first: tensor.shape,
    ...(isRest(optimizer, tensor) && { second: tensor.shape }),
  }),
  open(optimizer, host) {
    const { momentum = 0.95, nesterov = true, adjust, rest } = optimizer;
    const [mixed, taken] = [kernelOver(host.memory, mix), kernelOver(host.memory, take)];
    const others = rest && adamwRule.open(adamwOf(rest), host);
    const sessions = new Map<boolean, Promise<Session>>();
    const sessionFor = (shape: readonly number[]): Promise<Session> => {
      const wide = isWide(shape);
      const session = sessions.get(wide) ?? host.openSession(orthogonaliser(wide));
      sessions.set(wide, session);
      return session;
    };
    return {
      async update(tensor) {
        if (isRest(optimizer, tensor)) return others?.update(tensor);
        const { shape, values, gradients, state, bytes, rate, decay, gradientScale } = tensor;
        const { first } = state as Readonly<Record<'first', Float32Array>>;
        const numbers = { gradientScale, oneMinusMomentum: 1 - momentum, ofMean: nesterov ? momentum : 1 };
        mixed({ gradients, first }, bytes, numbers);
        const session = await sessionFor(shape);
        const { result } = await session.run({ matrix: { dtype: 'f32', shape, data: gradients } });
        gradients.set(result?.data as Float32Array);
        const steps = { shrink: 1 - rate * decay, rate: adjusted(rate, shape, adjust) };
        taken({ values, update: gradients }, bytes, steps);
      },
      close: () => closeAll(...sessions.values()),
    };
  },
  check({ momentum = 0.95, rest }, check) {
    checkPart('momentum', momentum, check);
    if (!rest) return;
    const { lr, decay = 0 } = rest;
    check('rest.lr', lr, lr > 0, 'a positive number');
    check('rest.decay', decay, decay >= 0 && lr * decay < 1, 'a number from 0 to less than 1 / lr');
    adamwRule.check(adamwOf(rest), (field, ...about) => check(`rest.${field}`, ...about));
  },
  rates: (optimizer, tensor) =>
    optimizer.rest && isRest(optimizer, tensor) ? { lr: optimizer.rest.lr, decay: optimizer.rest.decay ?? 0 } : {},
  checkTensors(optimizer, tensors, check) {
    const other = optimizer.rest ? undefined : tensors.find(({ shape }) => shape.length !== 2);
    check('rest', other?.name, !other, 'settings for what is no matrix');
    if (optimizer.rest?.on) checkPatterns('rest.on', optimizer.rest.on, tensors, check);
  },
};
