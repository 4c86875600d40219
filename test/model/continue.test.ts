/** Greedy continuations as the reference's `generate` gives them. */
import { expect, onTestFinished, test } from 'vitest';
import { asSystem, continueGreedily, load } from '../../src/model/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';

// transformers 5.23: generate(input_ids, max_new_tokens=8, do_sample=False, **settings)
test.each([
  [{}, [62, 322, 50, 118, 195, 216, 118, 53]],
  [{ repetition_penalty: 1.5 }, [62, 322, 50, 118, 195, 216, 53, 229]],
  [{ no_repeat_ngram_size: 1 }, [62, 322, 50, 118, 195, 216, 53, 229]],
  [{ no_repeat_ngram_size: 0 }, [62, 322, 50, 118, 195, 216, 118, 53]],
])("the model's own settings %j are applied", async (settings, expected) => {
  const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine }));
  onTestFinished(() => model.close());
  const files = { ...model.files, generationConfig: { ...model.files?.generationConfig, ...settings } };
  const { input_ids, attention_mask } = (await fixtureTensors('llama', 'inputs')) as Record<string, HostArray>;
  const given = { input_ids, attention_mask } as Record<string, HostArray>;
  const ids = await continueGreedily({ ...model, files } as typeof model, given, 8);
  expect(toNumbers(ids).slice(-8)).toEqual(expected);
});
