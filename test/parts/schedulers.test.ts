import { expect, test } from 'vitest';
import { readNoise, readSampling, schedulers } from '../../src/parts/generators/schedulers/index.js';
import { fields, type HostArray, toNumbers } from '../../src/tensor/index.js';
import { fixtureJson, fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';

interface Setting {
  readonly class: string;
  readonly call?: { readonly eta?: number };
}

const { steps, schedulers: settings } = fixtureJson('schedulers').settings as {
  readonly steps: number;
  readonly schedulers: Readonly<Record<string, Setting>>;
};
const inputs = await fixtureTensors('schedulers', 'inputs');
const expected = await fixtureTensors('schedulers', 'expected');
const known = Object.entries(settings).filter(([, setting]) => Object.hasOwn(schedulers, setting.class));

const same = (actual: ArrayLike<number>, wanted: HostArray, what: string, rtol = 2e-6): void => {
  const array: HostArray = { dtype: 'f32', shape: wanted.shape, data: Float32Array.from(actual) };
  expectClose(array, { shape: wanted.shape as number[], data: toNumbers(wanted) }, what, { rtol, atol: 0 });
};

test.for(known)('%s passes the reference moments and latents', ([name, { class: className, call, ...rest }]) => {
  const sampler = readSampling(fields({ _class_name: className, ...rest }, name))({ steps, ...call });
  same(sampler.times, expected[`timesteps.${name}`] as HostArray, 'moments');
  const rows = (array: HostArray | undefined, i: number): Float32Array<ArrayBuffer> => {
    const size = sizeOfRow(array as HostArray);
    return Float32Array.from(toNumbers(array as HostArray).slice(i * size, (i + 1) * size));
  };
  let draws = 0;
  let latents = Float32Array.from(toNumbers(inputs.noise as HostArray)).map((x) => x * sampler.start);
  const passed: number[] = [];
  for (const [i] of sampler.times.entries()) {
    const shown = sampler.shown(i, latents);
    const predicted = rows(inputs.predictions, i).map((x, j) => x + 0.5 * (shown[j] as number));
    latents = sampler.step(i, predicted, latents, () => rows(inputs.noises, draws++));
    passed.push(...latents);
  }
  same(passed, expected[`latents.${name}`] as HostArray, 'latents');
});

function sizeOfRow({ shape }: HostArray): number {
  return shape.slice(1).reduce((a, b) => a * b, 1);
}

test.for(known.filter(([name]) => expected[`alphas_cumprod.${name}`]))(
  '%s has the reference table',
  ([name, setting]) => {
    const { class: className, call: _, ...rest } = setting;
    const { kept } = readNoise(fields({ _class_name: className, ...rest }, name));
    const wanted = expected[`alphas_cumprod.${name}`] as HostArray;
    const stride = Math.ceil(kept.length / (wanted.shape[0] as number));
    same(
      kept.filter((_, i) => i % stride === 0),
      wanted,
      'table',
      4e-7,
    );
  },
);

test('an unknown way of sampling names the nearest', () => {
  const sampling = readSampling(fields({ _class_name: 'DDIMSheduler' }, 'scheduler_config.json'));
  expect(() => sampling({ steps: 4 })).toThrow('no sampling as "DDIMSheduler"; did you mean "DDIMScheduler"?');
});

test('more steps than moments of training are refused', () => {
  const sampling = readSampling(
    fields({ _class_name: 'DDIMScheduler', num_train_timesteps: 10 }, 'scheduler_config.json'),
  );
  expect(() => sampling({ steps: 11 })).toThrow('11 steps; from 1 to 10 are possible');
});
