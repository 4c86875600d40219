/** What a run's folder is to whoever takes it for the adapter, or the model, that the run is to write. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { load, readAdapter } from '../../src/model/index.js';
import { runFile } from '../../src/train/index.js';
import { engine } from '../fixture.js';
import { runFolder, stage } from './runs.js';

test('before its end a run says how to end it; after that its folder stands for its adapter', async () => {
  const lora = { rank: 2, on: ['language_model.**.q_proj'] };
  const { file, folder } = runFolder({ stages: [stage({ name: 'adapt', steps: 40, lora, optimizer: { lr: 1e-3 } })] });
  const out = join(folder, 'out');
  const stop = new AbortController();
  await runFile(file, { engine, signal: stop.signal, onStep: (_, { step }) => step === 2 && stop.abort() });
  const adapted = (adapter: string) => load(join(folder, 'base'), { engine, adapter });
  for (const place of [out, join(out, 'adapt'), join(out, 'adapt/checkpoints/step-000002')]) {
    await expect(adapted(place)).rejects.toThrow(
      `${join(place, 'adapter_config.json')}: no such file\n  Checkpoints are what a run goes on from;`,
    );
    await expect(load(place, { engine })).rejects.toThrow(
      /no config\.json in this folder\n {2}Checkpoints are .*--steps/,
    );
  }
  await runFile(file, { engine, steps: 2 });
  const model = await adapted(out);
  const read = async (place: string) => (await readAdapter(place, model.network, model.declarations)).values;
  expect(await read(out)).toEqual(await read(join(out, 'adapter')));
  await model.close();
  await expect(load(out, { engine })).rejects.toThrow(
    `${out}: no config.json in this folder\n  This is the folder of a run, which has written an adapter: ${join(out, 'adapter')}`,
  );
  // A folder of that name that holds none.
  rmSync(join(out, 'adapter', 'adapter_config.json'));
  await expect(adapted(out)).rejects.toThrow(/adapter_config\.json: no such file\n {2}Checkpoints are /);
  mkdirSync(join(out, 'model'));
  await expect(adapted(out)).rejects.toThrow(
    `adapter_config.json: no such file\n  This is the folder of a run, which has written a model: ${join(out, 'model')}`,
  );
});
