/** Normalisations. The last axis is normalised, except by InstanceNormalization, which takes all after the second. */

import { formatShape, QuintetError } from '../../tensor/index.js';
import { add, div, mean, mul, reshape, sqrt, sub, sum } from '../functions.js';
import { type Backward, type Operands, type OpRule, operand, rule } from '../rule.js';
import type { Tensor } from '../tensor.js';

type NormAttributes = { axis: number; epsilon: number };

function requireScale(x: Tensor, scale: Tensor | null | undefined, size: Tensor['shape'][number]): void {
  if (scale && (scale.rank !== 1 || scale.dim(0) !== size || scale.dtype !== x.dtype)) {
    throw new QuintetError('shape', `a scale of ${formatShape(scale.shape)} does not fit ${formatShape(x.shape)}`);
  }
}

function leading(x: Tensor): number[] {
  return Array.from({ length: x.rank - 1 }, (_, i) => i);
}

/** The gradient of a centred (or not) and scaled row x̂ = (x - mean) · inverse, by x. */
function rowGradient(g: Tensor, normalised: Tensor, inverse: Tensor, centred: boolean): Tensor {
  const along = mul(normalised, mean(mul(g, normalised), [-1], { keep: true }));
  const flat = centred ? sub(sub(g, mean(g, [-1], { keep: true })), along) : sub(g, along);
  return mul(flat, inverse);
}

function layerNormGradient({ gradient: g, inputs, outputs, wants }: Backward<NormAttributes>): (Tensor | null)[] {
  const [x, scale] = inputs as [Tensor, Tensor];
  const [, average, inverse] = outputs as [Tensor, Tensor, Tensor];
  const normalised = mul(sub(x, average), inverse);
  return [
    wants(0) ? rowGradient(mul(g, scale), normalised, inverse, true) : null,
    wants(1) ? sum(mul(g, normalised), leading(x)) : null,
    wants(2) ? sum(g, leading(x)) : null,
  ];
}

function inferRows(inputs: Operands, statistics: number) {
  const x = operand(inputs, 0);
  requireScale(x, inputs[1], x.dim(-1));
  requireScale(x, inputs[2], x.dim(-1));
  const statistic = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
  return [x, ...Array.from({ length: statistics }, () => statistic)];
}

export const norm = {
  /** x [..., D], scale [D], bias [D] -> y, mean [..., 1], inverse standard deviation [..., 1]. Ba et al., 2016. */
  LayerNormalization: rule<NormAttributes>({
    floats: ['epsilon'],
    optionalOutputs: true,
    light: ([x, scale, bias], [, average, inverse]) => {
      const scaled = mul(mul(sub(x as Tensor, average as Tensor), inverse as Tensor), scale as Tensor);
      return bias ? add(scaled, bias) : scaled;
    },
    infer: (inputs) => inferRows(inputs, 2),
    gradient: layerNormGradient,
  }),

  /** Root-mean-square norm: x [..., D], scale [D] -> y, inverse root mean square [..., 1]. Zhang and Sennrich, 2019. */
  SimplifiedLayerNormalization: rule<NormAttributes>({
    floats: ['epsilon'],
    optionalOutputs: true,
    light: ([x, scale], [, inverse]) => mul(mul(x as Tensor, inverse as Tensor), scale as Tensor),
    infer: (inputs) => inferRows(inputs, 1),
    gradient: ({ gradient: g, inputs, outputs, wants }) => {
      const [x, scale] = inputs as [Tensor, Tensor];
      const inverse = outputs[1] as Tensor;
      const normalised = mul(x, inverse);
      return [
        wants(0) ? rowGradient(mul(g, scale), normalised, inverse, false) : null,
        wants(1) ? sum(mul(g, normalised), leading(x)) : null,
      ];
    },
  }),

  /** x [B, G, ...], scale [G], bias [G] -> each [B, G] plane normalised over all its elements. */
  InstanceNormalization: rule<{ epsilon: number }>({
    floats: ['epsilon'],
    infer: (inputs) => {
      const x = operand(inputs, 0);
      requireScale(x, inputs[1], x.dim(1));
      requireScale(x, inputs[2], x.dim(1));
      return [x];
    },
    gradient: ({ gradient: g, inputs, attributes: { epsilon }, wants }) => {
      const [x, scale] = inputs as [Tensor, Tensor];
      const axes = x.shape.slice(2).map((_, i) => i + 2);
      const perPlane = (t: Tensor): Tensor => reshape(t, [t.dim(0), ...axes.map(() => 1)]);
      const centred = sub(x, mean(x, axes, { keep: true }));
      const deviation = sqrt(add(mean(mul(centred, centred), axes, { keep: true }), epsilon));
      const normalised = div(centred, deviation);
      let dx: Tensor | null = null;
      if (wants(0)) {
        const scaled = mul(g, perPlane(scale));
        const along = mul(normalised, mean(mul(scaled, normalised), axes, { keep: true }));
        dx = div(sub(sub(scaled, mean(scaled, axes, { keep: true })), along), deviation);
      }
      const others = [0, ...axes];
      return [dx, wants(1) ? sum(mul(g, normalised), others) : null, wants(2) ? sum(g, others) : null];
    },
  }),
} satisfies Record<string, OpRule>;
