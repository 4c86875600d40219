/**
 * Adafactor: the second moment of a matrix is kept as the means of its rows and columns, which are few numbers. Algorithm 4
 * of the paper as transformers and PyTorch have it. Tensors of more dimensions are stacks of matrices.
 *
 * S matrices in a stack, M rows, N columns
 */
import type { Adafactor } from '../../system/index.js';
import { checkPart, type OptimiserRule, type TensorStep } from './rule.js';

/** What the two forms differ in. */
interface Form {
  /** Added to squared gradients. */
  readonly added: number;
  /** The least second moment that is divided by, and the least mean of a matrix's. */
  readonly least: number;
  readonly leastMean: number;
  /** The least root mean square that values count as having. */
  readonly leastSize: number;
  readonly scaled: boolean;
  readonly relative: boolean;
  /** Whether decay goes by the size of the step, or by the rate as it is given. */
  readonly decayByStep: boolean;
}

function formOf({ form = 'transformers', eps, scaled = false, relative = false }: Adafactor): Form {
  const [first, leastSize] = eps ?? [form === 'torch' ? 2 ** -23 : 1e-30, 1e-3];
  return form === 'torch'
    ? { added: 0, least: first ** 2, leastMean: first, leastSize, scaled: true, relative: true, decayByStep: false }
    : { added: first, least: 0, leastMean: 0, leastSize, scaled, relative, decayByStep: true };
}

const isFactored = (shape: readonly number[]): boolean => shape.length >= 2;

export const adafactorRule: OptimiserRule<Adafactor> = {
  state: ({ beta1 }, { shape }) => ({
    ...(isFactored(shape)
      ? { rows: shape.slice(0, -1), columns: [...shape.slice(0, -2), shape.at(-1) as number] }
      : { second: shape }),
    ...(beta1 !== undefined && { first: shape }),
  }),
  open(optimizer) {
    const { threshold = 1, smoothing = -0.8, beta1 } = optimizer;
    const form = formOf(optimizer);
    return {
      update(tensor) {
        const { values, gradients, state, step, rate, decay } = tensor;
        const share = step ** smoothing;
        const size = form.scaled ? Math.max(form.leastSize, rootMeanSquare(values)) : 1;
        const own = (form.relative ? Math.min(rate, 1 / Math.sqrt(step)) : rate) * size;
        normalise(tensor, form, share);
        const scale = own / Math.max(1, rootMeanSquare(gradients) / threshold);
        const shrink = 1 - (form.decayByStep ? own : rate) * decay;
        apply(values, gradients, { scale, shrink, first: state.first, beta1: beta1 ?? 0 });
      },
    };
  },
  check({ eps = [1e-30, 1e-3], threshold = 1, smoothing = -0.8, beta1 = 0, form, scaled, relative }, check) {
    const isFree = form !== 'torch';
    check('scaled', scaled, isFree || scaled !== false, 'true, as torch has it, or form: transformers');
    check('relative', relative, isFree || relative !== false, 'true, as torch has it, or form: transformers');
    for (const [i, own] of eps.entries()) check(`eps[${i}]`, own, own >= 0 && own < 1, 'a small number');
    check('eps', eps.length, eps.length === 2, 'two numbers');
    check('threshold', threshold, threshold > 0, 'a number above 0');
    check('smoothing', smoothing, smoothing < 0, 'a number below 0');
    checkPart('beta1', beta1, check);
  },
};

function rootMeanSquare(x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) ** 2;
  return Math.sqrt(sum / x.length);
}

/** Moves the second moment by a share, and divides the gradients in place by its root. */
function normalise({ shape, gradients: g, state, gradientScale }: TensorStep, form: Form, share: number): void {
  if (gradientScale !== 1) for (let i = 0; i < g.length; i++) (g[i] as number) *= gradientScale;
  if (!isFactored(shape)) {
    const second = state.second as Float32Array;
    for (let i = 0; i < g.length; i++) {
      const moved = (second[i] as number) * (1 - share) + ((g[i] as number) ** 2 + form.added) * share;
      second[i] = moved;
      (g[i] as number) /= Math.sqrt(Math.max(moved, form.least));
    }
    return;
  }
  const [height, width] = shape.slice(-2) as [number, number];
  const { rows, columns } = state as Readonly<Record<'rows' | 'columns', Float32Array>>;
  for (let matrix = 0; matrix * height * width < g.length; matrix++) {
    normaliseMatrix(
      g.subarray(matrix * height * width, (matrix + 1) * height * width),
      rows.subarray(matrix * height, (matrix + 1) * height),
      columns.subarray(matrix * width, (matrix + 1) * width),
      { ...form, share },
    );
  }
}

/** g [M, N] divided by the root of rows [M] times columns [N] over the mean of the rows, once these have moved. */
function normaliseMatrix(
  g: Float32Array,
  rows: Float32Array,
  columns: Float32Array,
  { added, least, leastMean, share }: Form & { readonly share: number },
): void {
  const width = columns.length;
  const below = new Float64Array(width);
  for (let row = 0, at = 0; row < rows.length; row++) {
    let sum = 0;
    for (let column = 0; column < width; column++, at++) {
      const square = (g[at] as number) ** 2 + added;
      sum += square;
      (below[column] as number) += square;
    }
    rows[row] = (rows[row] as number) * (1 - share) + (sum / width) * share;
  }
  let mean = 0;
  for (let row = 0; row < rows.length; row++) mean += (rows[row] as number) / rows.length;
  mean = Math.max(mean, leastMean);
  for (let column = 0; column < width; column++) {
    columns[column] = (columns[column] as number) * (1 - share) + ((below[column] as number) / rows.length) * share;
  }
  for (let row = 0, at = 0; row < rows.length; row++) {
    const part = (rows[row] as number) / mean;
    for (let column = 0; column < width; column++, at++) {
      (g[at] as number) /= Math.sqrt(Math.max(part * (columns[column] as number), least));
    }
  }
}

interface Applied {
  readonly scale: number;
  readonly shrink: number;
  readonly first: Float32Array | undefined;
  readonly beta1: number;
}

/** value = shrink · value - the update, or than the running mean of updates. */
function apply(values: Float32Array, update: Float32Array, { scale, shrink, first, beta1 }: Applied): void {
  for (let i = 0; i < values.length; i++) {
    let own = (update[i] as number) * scale;
    if (first) {
      own = (first[i] as number) * beta1 + own * (1 - beta1);
      first[i] = own;
    }
    values[i] = (values[i] as number) * shrink - own;
  }
}
