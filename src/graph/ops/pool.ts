/** Pooling and resampling of the spatial axes of x [B, C, ...]. */

import { type Dim, formatShape, hostArray, productOf, QuintetError, type Shape } from '../../tensor/index.js';
import { matmul, reshape, scatterElements, transpose, zeros } from '../functions.js';
import { type Operands, type OpRule, operand, rule } from '../rule.js';
import { apply, constant, type Tensor } from '../tensor.js';

type PoolAttributes = { kernel_shape: readonly number[]; strides: readonly number[]; pads: readonly number[] };

function inferPool(inputs: Operands, { kernel_shape, strides, pads }: PoolAttributes) {
  const x = operand(inputs, 0);
  if (x.rank !== kernel_shape.length + 2) {
    throw new QuintetError('shape', `a kernel [${kernel_shape}] does not fit ${formatShape(x.shape)}`);
  }
  const spatial = kernel_shape.map((kernel, i) => {
    const padding = (pads[i] as number) + (pads[i + kernel_shape.length] as number);
    return Math.floor((x.size(i + 2) + padding - kernel) / (strides[i] as number)) + 1;
  });
  return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...spatial] }];
}

export type ResizeMode = 'nearest' | 'linear' | 'cubic';
export type ResizeCoordinates = 'half_pixel' | 'align_corners' | 'asymmetric';
type ResizeAttributes = {
  /** The size of every axis of the result. */
  sizes: Shape;
  mode: ResizeMode;
  coordinate_transformation_mode: ResizeCoordinates;
  cubic_coeff_a: number;
  nearest_mode: 'floor';
};

/** Keys' cubic convolution kernel. */
function cubicKernel(distance: number, a: number): number {
  const t = Math.abs(distance);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/** The matrix [after, before] that resamples one axis as Resize does. */
export function resizeMatrix(before: number, after: number, attributes: Omit<ResizeAttributes, 'sizes'>): number[] {
  const { mode, coordinate_transformation_mode: coordinates, cubic_coeff_a } = attributes;
  const matrix = new Array<number>(after * before).fill(0);
  const put = (row: number, column: number, weight: number) => {
    const at = row * before + Math.min(Math.max(column, 0), before - 1);
    matrix[at] = (matrix[at] as number) + weight;
  };
  for (let i = 0; i < after; i++) {
    let place = (i * before) / after;
    if (coordinates === 'half_pixel') place = ((i + 0.5) * before) / after - 0.5;
    else if (coordinates === 'align_corners') place = after === 1 ? 0 : (i * (before - 1)) / (after - 1);
    const floor = Math.floor(place);
    if (mode === 'nearest') put(i, floor, 1);
    else if (mode === 'linear') {
      put(i, floor, 1 - (place - floor));
      put(i, floor + 1, place - floor);
    } else {
      for (let tap = -1; tap <= 2; tap++) put(i, floor + tap, cubicKernel(place - floor - tap, cubic_coeff_a));
    }
  }
  return matrix;
}

/** x with one axis multiplied by the transpose of a matrix [after, before]: [.., after, ..] -> [.., before, ..]. */
function resampleBack(g: Tensor, axis: number, before: number, matrix: number[]): Tensor {
  const after = g.size(axis);
  const m = constant(hostArray(g.dtype, [after, before], matrix));
  const last = g.rank - 1;
  const swap = g.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  return transpose(matmul(transpose(g, swap), m), swap);
}

export const pool = {
  /** Means over windows; padded places count as zeros. */
  AveragePool: rule<PoolAttributes & { count_include_pad: 1 }>({
    infer: inferPool,
    gradient: ({ gradient: g, inputs, attributes: { kernel_shape, strides, pads } }): (Tensor | null)[] => {
      const x = inputs[0] as Tensor;
      const planes = (t: Tensor): Tensor => reshape(t, [productOf(t.shape.slice(0, 2)), 1, ...t.shape.slice(2)]);
      const area = kernel_shape.reduce((a, b) => a * b, 1);
      const ones = constant(hostArray(g.dtype, [1, 1, ...kernel_shape], new Array(area).fill(1 / area)));
      const output_padding = strides.map((stride, i) => {
        const padding = (pads[i] as number) + (pads[i + strides.length] as number);
        return (x.size(i + 2) + padding - (kernel_shape[i] as number)) % stride;
      });
      const dilations = strides.map(() => 1);
      const back = apply('ConvTranspose', [planes(g), ones], { strides, pads, dilations, group: 1, output_padding });
      return [reshape(back, x.shape)];
    },
  }),

  /** Largest elements of windows, and their flat places in x. */
  MaxPool: rule<PoolAttributes>({
    optionalOutputs: true,
    infer: (inputs, attributes) => {
      const [type] = inferPool(inputs, attributes);
      return [
        type as { dtype: Tensor['dtype']; shape: Dim[] },
        { dtype: 'i64', shape: (type as { shape: Dim[] }).shape },
      ];
    },
    gradient: ({ gradient: g, inputs, outputs }) => {
      const x = inputs[0] as Tensor;
      const flat = (t: Tensor): Tensor => reshape(t, [productOf(t.shape)]);
      const target = zeros(g.dtype, [productOf(x.shape)]);
      const added = scatterElements(target, flat(outputs[1] as Tensor), flat(g), { axis: 0, reduction: 'add' });
      return [reshape(added, x.shape)];
    },
  }),

  /** Resampling to given sizes without antialiasing. Operands: x, and two empty places of ONNX (roi, scales). */
  Resize: rule<ResizeAttributes>({
    floats: ['cubic_coeff_a'],
    shapeInputs: ['sizes'],
    infer: (inputs, { sizes }) => {
      const x = operand(inputs, 0);
      if (sizes.length !== x.rank || sizes[0] !== x.dim(0) || sizes[1] !== x.dim(1)) {
        throw new QuintetError('shape', `[${sizes}] is no resize of ${formatShape(x.shape)}`);
      }
      return [{ dtype: x.dtype, shape: sizes }];
    },
    gradient: ({ gradient: g, inputs, attributes }) => {
      const x = inputs[0] as Tensor;
      let result = g;
      for (let axis = 2; axis < x.rank; axis++) {
        const [before, after] = [x.size(axis), g.size(axis)];
        if (before !== after) result = resampleBack(result, axis, before, resizeMatrix(before, after, attributes));
      }
      return [result];
    },
  }),
} satisfies Record<string, OpRule>;
