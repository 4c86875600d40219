/** Convolutions, pooling and resampling: what moves windows over the spatial axes of x [B, C, ...]. */

import { each, fill, get, inside, naive, place, total, type Values } from './arrays.js';

type Window = { strides: number[]; pads: number[]; dilations: number[]; group: number };

/** Where a kernel element of a window lies in the input; may be outside. */
function windowPlace(at: readonly number[], tap: readonly number[], { strides, pads, dilations }: Window): number[] {
  return tap.map(
    (k, i) => (at[i] as number) * (strides[i] as number) + k * (dilations[i] as number) - (pads[i] as number),
  );
}

function windowCount(space: readonly number[], kernel: readonly number[], window: Window): number[] {
  return space.map((size, i) => {
    const reach = (window.dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const padded = size + (window.pads[i] as number) + (window.pads[i + space.length] as number);
    return Math.floor((padded - reach) / (window.strides[i] as number)) + 1;
  });
}

export const conv = naive<Window>((window, x, w) => {
  const [batch, , ...space] = x.shape as [number, number, ...number[]];
  const [outputs, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  return [
    fill([batch, outputs, ...windowCount(space, kernel, window)], ([n, o, ...at]) => {
      const first = Math.floor((o as number) / (outputs / window.group)) * perGroup;
      let sum = 0;
      each([perGroup, ...kernel], ([c, ...tap]) => {
        const from = windowPlace(at, tap, window);
        if (!inside(from, space)) return;
        sum += get(x, [n as number, first + (c as number), ...from]) * get(w, [o as number, c as number, ...tap]);
      });
      return sum;
    }),
  ];
});

export const convTranspose = naive<Window & { output_padding: number[] }>((window, x, w) => {
  const [batch, channels, ...space] = x.shape as [number, number, ...number[]];
  const [, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  const { strides, pads, dilations, group, output_padding } = window;
  const size = space.map((count, i) => {
    const reach = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const cut = (pads[i] as number) + (pads[i + space.length] as number);
    return (count - 1) * (strides[i] as number) + reach - cut + (output_padding[i] as number);
  });
  const y = fill([batch, perGroup * group, ...size], () => 0);
  each([batch, channels, ...space], ([n, c, ...at]) => {
    const first = Math.floor((c as number) / (channels / group)) * perGroup;
    each([perGroup, ...kernel], ([o, ...tap]) => {
      const to = windowPlace(at, tap, window);
      if (!inside(to, size)) return;
      const flat = place(y.shape, [n as number, first + (o as number), ...to]);
      const weight = get(w, [c as number, o as number, ...tap]);
      y.data[flat] = (y.data[flat] as number) + get(x, [n as number, c as number, ...at]) * weight;
    });
  });
  return [y];
});

export type Pool = { kernel_shape: number[]; strides: number[]; pads: number[] };

/** What lies in each window of a pooling: values and flat places. */
export function pooled(
  x: Values,
  { kernel_shape, strides, pads }: Pool,
  pick: (values: number[], flat: number[]) => number,
) {
  const window = { strides, pads, dilations: strides.map(() => 1), group: 1 };
  const [batch, channels, ...space] = x.shape as [number, number, ...number[]];
  return fill([batch, channels, ...windowCount(space, kernel_shape, window)], ([n, c, ...at]) => {
    const values: number[] = [];
    const flat: number[] = [];
    each(kernel_shape, (tap) => {
      const from = windowPlace(at, tap, window);
      if (!inside(from, space)) return;
      flat.push(place(x.shape, [n as number, c as number, ...from]));
      values.push(x.data[flat.at(-1) as number] as number);
    });
    return pick(values, flat);
  });
}

type Resize = { sizes: number[]; mode: string; coordinate_transformation_mode: string; cubic_coeff_a: number };

/** The input places and weights that make output place `i` of an axis. */
function resizeTaps(i: number, before: number, after: number, attributes: Resize): [number, number][] {
  const { mode, coordinate_transformation_mode: coordinates, cubic_coeff_a: a } = attributes;
  const scale = after / before;
  let x = i / scale;
  if (coordinates === 'half_pixel') x = (i + 0.5) / scale - 0.5;
  if (coordinates === 'align_corners') x = after === 1 ? 0 : (i * (before - 1)) / (after - 1);
  const low = Math.floor(x);
  const rest = x - low;
  const far = (s: number) => a * s ** 3 - 5 * a * s ** 2 + 8 * a * s - 4 * a;
  const near = (s: number) => (a + 2) * s ** 3 - (a + 3) * s ** 2 + 1;
  const weights: Record<string, [number, number][]> = {
    nearest: [[low, 1]],
    linear: [
      [low, 1 - rest],
      [low + 1, rest],
    ],
    cubic: [
      [low - 1, far(1 + rest)],
      [low, near(rest)],
      [low + 1, near(1 - rest)],
      [low + 2, far(2 - rest)],
    ],
  };
  return (weights[mode] as [number, number][]).map(([at, weight]) => [Math.min(Math.max(at, 0), before - 1), weight]);
}

export const resize = naive<Resize>((attributes, x) => {
  const { sizes } = attributes;
  return [
    fill(sizes, (at) => {
      let taps: { from: number[]; weight: number }[] = [{ from: [], weight: 1 }];
      for (const [axis, before] of x.shape.entries()) {
        const here = resizeTaps(at[axis] as number, before, sizes[axis] as number, attributes);
        const own: [number, number][] = before === sizes[axis] ? [[at[axis] as number, 1]] : here;
        taps = taps.flatMap(({ from, weight }) => own.map(([to, w]) => ({ from: [...from, to], weight: weight * w })));
      }
      return total(taps.map(({ from, weight }) => weight * get(x, from)));
    }),
  ];
});
