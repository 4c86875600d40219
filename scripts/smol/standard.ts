/** Views of mean 0 and deviation 1, channel by channel, for training; afterwards heads take views as they are. */
import { viewCount } from '../../src/parts/encoders/efficientnet-views.js';
import { type HostArray, hostArray, type Random } from '../../src/tensor/index.js';
import { isShare, rowLength, sharesFrom, sharesTo, viewWidth } from './views.js';

export interface Moments {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

export interface Standard {
  /** Of the whole picture's view, and of the ninths'. */
  readonly whole: Moments;
  readonly ninth: Moments;
  /** In place, views [10, E]. */
  apply(views: Float32Array): void;
  /** In place, some of the numbers of views [10, E], but of those of colours, become what they are on average. */
  blur(views: Float32Array, share: number, random: Random): void;
}

/** By some of the pictures. */
export function standardiser(read: (index: number, into: Float32Array) => void, pictures: number): Standard {
  const sums = [0, 1].map(() => ({
    count: 0,
    first: new Float64Array(viewWidth),
    second: new Float64Array(viewWidth),
  }));
  const row = new Float32Array(rowLength);
  const stride = Math.max(1, Math.floor(pictures / 2000));
  for (let index = 0; index < pictures; index += stride) {
    read(index, row);
    for (let view = 0; view < viewCount; view++) {
      const own = sums[view === 0 ? 0 : 1] as (typeof sums)[number];
      own.count++;
      for (let i = 0; i < viewWidth; i++) {
        const value = row[view * viewWidth + i] as number;
        own.first[i]! += value;
        own.second[i]! += value * value;
      }
    }
  }
  const [whole, ninth] = sums.map(({ count, first, second }): Moments => {
    const mean = Float32Array.from(first, (sum) => sum / count);
    const deviation = Float32Array.from(
      second,
      (sum, i) => Math.sqrt(Math.max(0, sum / count - (mean[i] as number) ** 2)) + 0.02,
    );
    return { mean, deviation };
  }) as [Moments, Moments];
  return {
    whole,
    ninth,
    apply(views) {
      for (let view = 0; view < viewCount; view++) {
        const { mean, deviation } = view === 0 ? whole : ninth;
        for (let i = 0; i < viewWidth; i++) {
          const at = view * viewWidth + i;
          views[at] = ((views[at] as number) - (mean[i] as number)) / (deviation[i] as number);
        }
      }
    },
    blur(views, share, random) {
      for (let i = 0; i < views.length; i++) {
        const { mean } = i < viewWidth ? whole : ninth;
        if (isShare(i)) continue;
        if (random.uniform() < share) views[i] = mean[i % viewWidth] as number;
      }
    },
  };
}

type Values = Readonly<Record<string, HostArray>>;

/** Heads that learnt from standardised views, so changed that they take views as they are; by their names in the part. */
export function foldedHeads(values: Values, { whole, ninth }: Standard, prefix: string): Map<string, HostArray> {
  const heads = new Map(Object.entries(values).map(([name, array]) => [name.slice(prefix.length + 1), array]));
  const joint = (parts: readonly Moments[]): Moments => ({
    mean: Float32Array.from(parts.flatMap(({ mean }) => [...mean])),
    deviation: Float32Array.from(parts.flatMap(({ deviation }) => [...deviation])),
  });
  const shares = (of: Moments): Moments => part(of, sharesFrom, sharesTo);
  fold(heads, 'whole', joint([whole, part(ninth, 0, sharesFrom)]));
  fold(heads, 'ninth', ninth);
  fold(heads, 'tint', joint([whole, ...new Array<Moments>(viewCount - 1).fill(ninth)].map(shares)));
  fold(heads, 'ninth_tint', shares(ninth));
  return heads;
}

/** Of some channels. */
const part = ({ mean, deviation }: Moments, from: number, to: number): Moments => ({
  mean: mean.subarray(from, to),
  deviation: deviation.subarray(from, to),
});

/** W (x - m) / s + b = (W / s) x + (b - (W / s) m) */
function fold(heads: Map<string, HostArray>, layer: string, { mean, deviation }: Moments): void {
  const weight = heads.get(`${layer}.weight`) as HostArray;
  const bias = heads.get(`${layer}.bias`) as HostArray;
  const [out, width] = weight.shape as [number, number];
  const scaled = new Float32Array(out * width);
  const shifted = Float32Array.from(bias.data as Float32Array);
  for (let row = 0; row < out; row++) {
    for (let i = 0; i < width; i++) {
      const value = (weight.data[row * width + i] as number) / (deviation[i] as number);
      scaled[row * width + i] = value;
      shifted[row]! -= value * (mean[i] as number);
    }
  }
  heads.set(`${layer}.weight`, hostArray('f32', weight.shape, scaled));
  heads.set(`${layer}.bias`, hostArray('f32', bias.shape, shifted));
}
