/** Closing of models of which some sessions cannot be closed. */
import { expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { Painter } from '../../src/model/diffuse.js';
import { asSystem, Chat, Drawer, load, type Model } from '../../src/model/index.js';
import type { Session } from '../../src/runtime/engine.js';
import type { LatentDiffusion } from '../../src/system/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { engine, fixturePath } from '../fixture.js';

/** A fixture's model whose sessions say that they cannot be closed, and those that are open. */
async function stubborn(name: string): Promise<{ readonly model: Model; readonly open: ReadonlySet<Session> }> {
  const open = new Set<Session>();
  const model = await load(`${fixturePath(name)}/model`, {
    weights: 'f32',
    engine: {
      ...engine,
      async createSession(graph, options) {
        const session = await engine.createSession(graph, options);
        open.add(session);
        const close = async (): Promise<void> => {
          await session.close();
          open.delete(session);
          throw new Error(`${graph.name} cannot be closed`);
        };
        return { inputs: session.inputs, outputs: session.outputs, run: (...given) => session.run(...given), close };
      },
    },
  });
  return { model, open };
}

async function expectAllClosed(open: ReadonlySet<Session>, closing: () => Promise<void>): Promise<void> {
  const count = open.size;
  expect(count).toBeGreaterThan(1);
  const error = await closing().catch((reason: AggregateError) => reason);
  expect((error as AggregateError).errors).toHaveLength(count);
  expect(open.size).toBe(0);
}

test('sessions of a conversation are closed though those before them cannot be', async () => {
  const { model, open } = await stubborn('llava');
  const chat = await Chat.open(asSystem(model));
  const pictures = [await loadPicture(`${fixturePath('llava')}/media/one.png`)];
  const content = [{ type: 'image' } as const, { type: 'text', text: 'What?' } as const];
  await chat.answer({ messages: [{ role: 'user', content }], pictures }, { maxTokens: 1 });
  await expectAllClosed(open, () => chat.close());
  await model.close();
});

test('a chat that is closed opens nothing anew when it is asked, nor does its fork', async () => {
  const model = asSystem(await load(`${fixturePath('llava')}/model`, { weights: 'f32', engine }));
  const chat = await Chat.open(model);
  const fork = chat.fork();
  await chat.close();
  for (const closed of [chat, fork]) {
    const asked = closed.answer({ messages: [{ role: 'user', content: 'What?' }], pictures: [] }, { maxTokens: 1 });
    await expect(asked).rejects.toThrow('the chat is closed');
  }
  await model.close();
});

test('a model that is closed opens no chat, from files nor with fresh weights', async () => {
  for (const fresh of [{}, { fresh: 1 }]) {
    const model = asSystem(await load(`${fixturePath('llama')}/model`, { engine, ...fresh }));
    await model.close();
    await expect(Chat.open(model)).rejects.toMatchObject({
      ...{ code: 'engine', message: expect.stringContaining('the model is closed') },
    });
  }
});

test('sessions that draw are closed though those before them cannot be', async () => {
  const { model, open } = await stubborn('janus');
  const drawer = await Drawer.open(asSystem(model));
  await drawer.show(await drawer.draw([[1]]));
  await expectAllClosed(open, () => drawer.close());
  await model.close();
});

test('sessions that paint are closed though those before them cannot be', async () => {
  const { model, open } = await stubborn('stable-diffusion');
  const painter = new Painter(model, (model as Model<LatentDiffusion>).network);
  const condition = await painter.read(hostArray('i64', [1, 4], [1, 2, 3, 4]));
  await painter.paint({ condition, steps: 1, seed: 1, guidance: 1 });
  await expectAllClosed(open, () => painter.close());
  await model.close();
});
