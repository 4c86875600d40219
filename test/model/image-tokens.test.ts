/** Pictures whose features have no tokens in the text: an error, and not the features of another picture. */
import { expect, onTestFinished, test } from 'vitest';
import type { FolderFiles } from '../../src/checkpoint/index.js';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, continueGreedily, load, traceNetwork } from '../../src/model/index.js';
import { concatRows, type HostArray } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';

test('a template that leaves a picture out is told, for one conversation and for several', async () => {
  const model = asSystem(await load(`${fixturePath('llava')}/model`, { engine }));
  onTestFinished(() => model.close());
  const template = "{% for message in messages %}{{ '<image>' + message['content'][-1]['text'] }}{% endfor %}";
  const files = { ...model.files, chatTemplates: new Map([['default', template]]) } as FolderFiles;
  const chat = await Chat.open({ ...model, files });
  onTestFinished(() => chat.close());
  const [two, grey] = await Promise.all(
    ['two', 'grey'].map((name) => loadPicture(`${fixturePath('llava')}/media/${name}.png`)),
  );
  const image = { type: 'image' as const };
  const content = [image, image, { type: 'text' as const, text: 'How many birds?' }];
  const asked = { messages: [{ role: 'user', content }] as const, pictures: [two, grey] as never };
  const message = 'llava-1.5: there are 17 image tokens for 34 features of pictures';
  await expect(chat.answer(asked)).rejects.toThrow(message);
  await expect(chat.answers([asked])).rejects.toThrow(message);
});

test('more pictures than image tokens are refused by trace, in a pass and where it generates', async () => {
  const model = asSystem(await load(`${fixturePath('llava')}/model`, { engine }));
  onTestFinished(() => model.close());
  const { input_ids, attention_mask, pixel_values } = await fixtureTensors('llava', 'inputs');
  const pixels = pixel_values as HostArray;
  const given = { input_ids, attention_mask, pixel_values: concatRows([pixels, pixels]) } as Record<string, HostArray>;
  const message = /input_ids: there are (\d+) image tokens for (\d+) features of pictures/;
  await expect(traceNetwork(model, given)).rejects.toThrow(message);
  await expect(continueGreedily(model, given, 2)).rejects.toThrow(message);
});
