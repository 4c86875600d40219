/** Language models of two halves: what they write, by the one generation loop, against the reference implementation. */
import { describe, expect, test } from 'vitest';
import {
  asSystem,
  Chat,
  continueGreedily,
  createProcessor,
  LanguageSession,
  load,
  saveConversation,
  traceNetwork,
} from '../../src/model/index.js';
import { realTokens } from '../../src/model/prompt.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import type { Message } from '../../src/text/messages.js';
import { fixtureJson, fixturePath, fixtureTensors, withModel } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { recorded } from './models.js';

const values = (array: HostArray | undefined) => ({ shape: array?.shape ?? [], data: array ? toNumbers(array) : [] });
const sets = ['t5', 'flan-t5', 't5-unscaled'].flatMap((name) => ['', '2'].map((set) => [name, set] as const));

describe.each(sets)('%s%s', (name, set) => {
  test('greedy continuations are the same tokens', () =>
    withModel(name, async (model) => {
      const { labels: _, ...given } = await fixtureTensors(name, `inputs${set}`);
      const { sequences } = await fixtureTensors(name, `expected${set}`);
      const count = (sequences?.shape[1] as number) - 1;
      expect(values(await continueGreedily(asSystem(model), given, count))).toEqual(values(sequences));
    }));

  test('messages become the same ids, padded on the right, and the same answers, together and alone', () =>
    withModel(name, async (loaded) => {
      const model = asSystem(loaded);
      const messages = fixtureJson(name, `messages${set}.json`) as unknown as Message[][];
      const chats = messages.map((chat) => ({ messages: chat, pictures: [] }));
      const expected = await fixtureTensors(name, `expected${set}`);
      const processed = createProcessor(model).process(chats, { prompt: true });
      expect(values(processed.input_ids)).toEqual(values(expected['processed/input_ids']));

      const answers = fixtureJson(name, 'expected.json')[`answer_text${set}`];
      const chat = await Chat.open(model);
      try {
        const maxTokens = (expected.sequences?.shape[1] as number) - 1;
        expect(await chat.answers(chats, { maxTokens })).toEqual(answers);
        for (const [i, one] of chats.entries()) {
          expect(await chat.answer(one, { maxTokens })).toBe((answers as string[])[i]);
        }
      } finally {
        await chat.close();
      }
    }));
});

test('a conversation goes on with everything that was said, read as a whole', () =>
  withModel('t5', async (loaded) => {
    const model = asSystem(loaded);
    const chat = await Chat.open(model);
    const fresh = await Chat.open(model);
    try {
      const first: Message = { role: 'user', content: 'What colour is the kite?' };
      const answer = await chat.answer({ messages: [first], pictures: [] }, { maxTokens: 6 });
      const messages: Message[] = [
        first,
        { role: 'assistant', content: answer },
        { role: 'user', content: 'a red cup' },
      ];
      const second = await chat.answer({ messages, pictures: [] }, { maxTokens: 6 });
      expect(second).toBe(await fresh.answer({ messages, pictures: [] }, { maxTokens: 6 }));
      expect(second).not.toBe(answer);
    } finally {
      await chat.close();
      await fresh.close();
    }
  }));

test('no conversation is kept, and saving one says so', () =>
  withModel('t5', async (loaded) => {
    const chat = await Chat.open(asSystem(loaded));
    await chat.answer({ messages: [{ role: 'user', content: 'Hi' }], pictures: [] }, { maxTokens: 2 });
    await expect(saveConversation(chat, 'none.safetensors')).rejects.toMatchObject({ code: 'unsupported' });
    await chat.close();
  }));

test('a prompt is read once, however many tokens are written', async () => {
  const { engine, runs } = recorded();
  const model = asSystem(await load(`${fixturePath('flan-t5')}/model`, { engine }));
  try {
    const { labels: _, ...given } = await fixtureTensors('flan-t5', 'inputs');
    await continueGreedily(model, given, 5);
    expect(runs.map(({ session }) => session)).toEqual(['t5 reading', ...Array<string>(5).fill('t5 language')]);
  } finally {
    await model.close();
  }
});

test('a continuation ends where its signal says so', () =>
  withModel('t5', async (model) => {
    const { labels: _, ...given } = await fixtureTensors('t5', 'inputs');
    const stopped = continueGreedily(asSystem(model), given, 5, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
  }));

test('rows that have written differently much have the scores of each alone', () =>
  withModel('t5', async (loaded) => {
    const model = asSystem(loaded);
    const { input_ids, attention_mask } = await fixtureTensors('t5', 'inputs');
    const given = { input_ids, attention_mask } as Record<string, HostArray>;
    const written = [
      [0, 9, 21, 14, 33, 7, 12],
      [0, 33, 7, 12, 9],
    ];
    const session = await LanguageSession.open(model);
    try {
      const cache = session.start(2, 10);
      await session.begin(cache, { ids: realTokens(given) });
      await session.step(cache, { ids: [[0], [0, 33, 7]] });
      await session.step(cache, { ids: [[9, 21, 14, 33, 7], [12]] });
      const scores = await session.step(cache, { ids: [[12], [9]] });
      const size = scores.shape[1] as number;
      for (const [row, ids] of written.entries()) {
        const decoder_input_ids = hostArray('i64', [2, ids.length], [...ids, ...ids]);
        const { logits } = await traceNetwork(model, { ...given, decoder_input_ids }, { want: ['logits'] });
        const from = (row * ids.length + ids.length - 1) * size;
        const wanted = toNumbers(logits as HostArray).slice(from, from + size);
        const own = toNumbers(scores).slice(row * size, (row + 1) * size);
        expectClose(hostArray('f32', [size], own), { shape: [size], data: wanted }, `row ${row}`, { rtol: 1e-5 });
      }
    } finally {
      await session.close();
    }
  }));

test.each(['a </s> b', '<extra_id_0>', '</s>'])(
  'a text ends with its one end token, also where a user writes %s',
  (text) =>
    withModel('flan-t5', async (model) => {
      const { encode, render, tokenizer } = createProcessor(asSystem(model));
      const ids = encode(render([{ role: 'user', content: text }], { prompt: true }), []);
      const { eos } = tokenizer.special;
      expect(ids.indexOf(eos as number)).toBe(ids.length - 1);
    }),
);
