import { expect, test } from 'vitest';
import { readSampling } from '../../src/parts/generators/schedulers/index.js';
import { fields } from '../../src/tensor/index.js';

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

test.each(['DDIMScheduler', 'DDPMScheduler', 'PNDMScheduler'])(
  'steps that begin beyond training are refused: %s',
  (name) => {
    const config = { _class_name: name, num_train_timesteps: 10, steps_offset: 1, skip_prk_steps: true };
    const sampling = readSampling(fields(config, 'scheduler_config.json'));
    expect(() => sampling({ steps: 10 })).toThrow('10 steps begin at moment 10, and training ended at 9');
    expect(sampling({ steps: 5 }).times[0]).toBe(9);
  },
);

test('deviations have one beyond training, as in diffusers: the last', () => {
  const config = { _class_name: 'EulerDiscreteScheduler', num_train_timesteps: 10, steps_offset: 1 };
  const sampling = readSampling(fields({ ...config, timestep_spacing: 'leading' }, 'scheduler_config.json'));
  expect(sampling({ steps: 10 }).start).toBeGreaterThan(1);
});
