/**
 * Photographs that nobody took: what the encoder would see of them, drawn from what it remembers of its own training. The
 * batch normalisation behind its last convolution knows the mean and the spread of each channel over ImageNet's pictures;
 * channels of a class are tilted by the classifier's weights. The real classifier then says what each one shows.
 */
import type { Checkpoint } from '../../src/checkpoint/index.js';
import type { HostArray, Random } from '../../src/tensor/index.js';

/** How much less a mean over a picture's places varies than the places themselves. */
const shrunk = 0.33;

export interface PhotoSource {
  /** Means of the last grid [1280]. */
  draw(random: Random): Float32Array;
  /** The class that scores best for them. */
  classOf(pooled: Float32Array): number;
  readonly classifier: { readonly weight: HostArray; readonly bias: HostArray };
}

export async function photoSource(encoder: Checkpoint): Promise<PhotoSource> {
  const read = async (name: string): Promise<Float32Array> => (await encoder.read(name)).data as Float32Array;
  const [scale, shift] = [await read('_bn1.weight'), await read('_bn1.bias')];
  const classifier = { weight: await encoder.read('_fc.weight'), bias: await encoder.read('_fc.bias') };
  const moments = Array.from(scale, (own, i) => cappedMoments(shift[i] as number, Math.abs(own)));
  const weights = classifier.weight.data as Float32Array;
  const [classes, width] = classifier.weight.shape as [number, number];
  const usual = new Float32Array(width);
  for (let c = 0; c < classes; c++) for (let i = 0; i < width; i++) usual[i]! += weights[c * width + i]! / classes;
  return {
    classifier,
    draw(random) {
      const wanted = random.integer(classes);
      const strength = 3.5 + 4 * random.uniform();
      const pooled = new Float32Array(width);
      for (const [i, { mean, variance }] of moments.entries()) {
        if (mean < 1e-4) continue;
        const theta = (shrunk * variance) / mean;
        const tilt = strength * theta * (weights[wanted * width + i]! - usual[i]!);
        pooled[i] = Math.min(6, gamma(mean / theta, random) * (theta / Math.max(0.2, 1 - tilt)));
      }
      return pooled;
    },
    classOf: (pooled) => bestOf(pooled, classifier),
  };
}

/** Mean and variance of min(max(x, 0), 6) where x is normal, by the midpoint rule. */
function cappedMoments(center: number, deviation: number): { mean: number; variance: number } {
  const steps = 400;
  let [total, first, second] = [0, 0, 0];
  for (let i = 0; i < steps; i++) {
    const z = -5 + (10 * (i + 0.5)) / steps;
    const density = Math.exp((-z * z) / 2);
    const x = Math.min(6, Math.max(0, center + deviation * z));
    total += density;
    first += density * x;
    second += density * x * x;
  }
  const mean = first / total;
  return { mean, variance: second / total - mean * mean };
}

/** A gamma variate of scale 1: Marsaglia and Tsang, 2000, https://doi.org/10.1145/358407.358414 */
function gamma(shape: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, random) * random.uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

function bestOf(pooled: Float32Array, { weight, bias }: PhotoSource['classifier']): number {
  const [classes, width] = weight.shape as [number, number];
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  for (let c = 0; c < classes; c++) {
    let score = bias.data[c] as number;
    for (let i = 0; i < width; i++) score += (weight.data[c * width + i] as number) * pooled[i]!;
    if (score > most) [best, most] = [c, score];
  }
  return best;
}
