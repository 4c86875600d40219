/** Initial values of parameters: functions from a shape and a seeded source of randomness to numbers. */

import { type Random, sizeOf } from '../tensor/index.js';

export type Init = (shape: readonly number[], random: Random) => Float32Array<ArrayBuffer>;

export const zeroed: Init = (shape) => new Float32Array(sizeOf(shape));
export const ones: Init = (shape) => new Float32Array(sizeOf(shape)).fill(1);

/** Every element the same number. */
export function filled(value: number): Init {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** Normal with mean 0 and the given standard deviation. */
export function normal(deviation: number): Init {
  return (shape, random) => new Float32Array(sizeOf(shape)).map(() => deviation * random.normal());
}

/** Uniform in ±sqrt(1 / fan-in), where the fan-in is all but the first axis: PyTorch's default for linear and convolution. */
export const fanIn: Init = (shape, random) => {
  const bound = Math.sqrt(1 / Math.max(1, sizeOf(shape.slice(1))));
  return new Float32Array(sizeOf(shape)).map(() => bound * (2 * random.uniform() - 1));
};
