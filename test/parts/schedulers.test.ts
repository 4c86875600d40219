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
