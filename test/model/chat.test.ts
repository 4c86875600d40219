/** Conversations: what is remembered from turn to turn, pictures, cancelling, stop strings. */
import { expect, onTestFinished, test } from 'vitest';
import { loadPicture, type Picture } from '../../src/media/index.js';
import { Chat, type Model, type PicturedChat, type ReplyOptions } from '../../src/model/index.js';
import type { Engine } from '../../src/runtime/engine.js';
import type { System } from '../../src/system/index.js';
import type { Message } from '../../src/text/messages.js';
import { fixturePath } from '../fixture.js';
import { changedModel, llavaInPlace, recorded, tokensRun } from './models.js';

const pictureOf = (name: string): Promise<Picture> => loadPicture(`${fixturePath('llava')}/media/${name}.png`);
const [two, grey] = [await pictureOf('two'), await pictureOf('grey')];

const ask = (text: string, pictures = 0): Message => ({
  role: 'user',
  content: [...Array.from({ length: pictures }, () => ({ type: 'image' as const })), { type: 'text', text }],
});
const say = (text: string): Message => ({ role: 'assistant', content: text });

async function open(model: Model<System>): Promise<Chat> {
  const chat = await Chat.open(model);
  onTestFinished(() => chat.close());
  return chat;
}

/** The ids of an answer, and its text. */
async function reply(chat: Chat, turn: PicturedChat, options: ReplyOptions = {}) {
  const ids: number[] = [];
  let text = '';
  let end: string | undefined;
  for await (const piece of chat.reply(turn, { maxTokens: 8, stopIds: [], ...options })) {
    if (piece.token) ids.push(piece.token.id);
    text += piece.text;
    end = piece.end;
  }
  return { ids, text, end };
}

const promptIds = (chat: Chat, turn: PicturedChat): number[] => {
  const ids = chat.processor.process([turn], { prompt: true }).input_ids?.data as BigInt64Array;
  return Array.from(ids, Number);
};

const commonLength = (a: readonly number[], b: readonly number[]): number => {
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs < 0 ? a.length : differs;
};

const engines: readonly (readonly [string, (by: Engine) => Engine])[] = [
  ['in place', (by) => by],
  ['growing', (by) => ({ ...by, inPlace: false })],
];

test.each(engines)(
  'a conversation goes on as if it were computed from scratch, and only new tokens are (%s)',
  async (_, as) => {
    const { engine: recording, runs } = recorded();
    const model = await llavaInPlace(as(recording));
    const chat = await open(model);
    const first = { messages: [ask('What do you see?', 1)], pictures: [two] };
    const answer = await reply(chat, first);
    const second = { messages: [...first.messages, say(answer.text), ask('How many birds?')], pictures: [two] };
    const third = { messages: [...second.messages, say('two'), ask('a tall tree', 1)], pictures: [two, grey] };

    let seen = [...promptIds(chat, first), ...answer.ids.slice(0, -1)];
    for (const turn of [second, third]) {
      runs.length = 0;
      const continued = await reply(chat, turn);
      const ids = promptIds(chat, turn);
      const common = commonLength(seen, ids);
      expect(common).toBeGreaterThanOrEqual(promptIds(chat, first).length);
      expect(tokensRun(runs)).toEqual([ids.length - common, ...continued.ids.slice(1).map(() => 1)]);
      expect(continued).toEqual(await reply(await open(model), turn));
      seen = [...ids, ...continued.ids.slice(0, -1)];
    }
  },
);

test('a picture is encoded once, however often it is shown', async () => {
  const { engine: recording, runs } = recorded();
  const chat = await open(await llavaInPlace(recording));
  await reply(chat, { messages: [ask('What do you see?', 1)], pictures: [two] });
  await reply(chat, { messages: [ask('And now?', 2)], pictures: [grey, two] });
  expect(runs.filter(({ session }) => session.endsWith('vision')).length).toBe(2);
});

test('another picture under the same words is looked at anew', async () => {
  const { engine: recording, runs } = recorded();
  const model = await llavaInPlace(recording);
  const chat = await open(model);
  const turn = (picture: Picture) => ({ messages: [ask('What do you see?', 1)], pictures: [picture] });
  const before = await reply(chat, turn(two));
  runs.length = 0;
  const after = await reply(chat, turn(grey));
  expect(after).toEqual(await reply(await open(model), turn(grey)));
  expect(after.ids).not.toEqual(before.ids);
  const ids = promptIds(chat, turn(grey));
  expect(tokensRun(runs)[0]).toBe(ids.length - ids.indexOf(model.network.image?.token as number));
});

test('the order of two pictures matters, and a batch sees each in its own row', async () => {
  const chat = await open(await llavaInPlace());
  const turns = [[two, grey], [grey, two], [two]].map((pictures) => ({
    messages: [ask('How many birds?', pictures.length)],
    pictures,
  }));
  const alone: string[] = [];
  const logprobs = new Set<number>();
  for (const turn of turns) {
    for await (const { token } of chat.reply(turn, { maxTokens: 1, stopIds: [], logprobs: 0 }))
      if (token?.logprob !== undefined) logprobs.add(token.logprob);
    alone.push((await reply(chat, turn)).text);
  }
  expect(logprobs.size).toBe(3);
  expect(await chat.answers(turns, { maxTokens: 8, stopIds: [] })).toEqual(alone);
});

test('an answer that is cut short, by a signal or by its reader, leaves the conversation usable', async () => {
  const model = await llavaInPlace();
  const turn = { messages: [ask('What do you see?', 1)], pictures: [two] };
  const wanted = await reply(await open(model), turn);
  const chat = await open(model);
  const controller = new AbortController();
  let count = 0;
  await expect(async () => {
    for await (const _ of chat.reply(turn, { stopIds: [], signal: controller.signal }))
      if (++count === 3) controller.abort();
  }).rejects.toMatchObject({ code: 'aborted' });
  expect(count).toBe(3);
  expect(await reply(chat, turn)).toEqual(wanted);
  for await (const _ of chat.reply(turn, { stopIds: [] })) break;
  expect(await reply(chat, turn)).toEqual(wanted);
  await expect(reply(chat, turn, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  expect(await reply(chat, turn)).toEqual(wanted);
});

test('one conversation gives one answer at a time', async () => {
  const chat = await open(await llavaInPlace());
  const turn = { messages: [ask('What do you see?')], pictures: [] };
  const [one, other] = await Promise.allSettled([reply(chat, turn), reply(chat, turn)]);
  expect(one.status).toBe('fulfilled');
  expect(other).toMatchObject({ status: 'rejected', reason: { code: 'unsupported' } });
});

test('an answer ends before a stop string, streamed or not', async () => {
  const chat = await open(await llavaInPlace());
  const turn = { messages: [ask('What do you see?', 1)], pictures: [two] };
  const whole = await reply(chat, turn, { maxTokens: 16 });
  expect(whole.end).toBe('length');
  const stop = [whole.text.slice(3, 6), 'not in it'];
  const before = whole.text.slice(0, whole.text.indexOf(stop[0] as string));
  const stopped = await reply(chat, turn, { maxTokens: 16, stop });
  expect([stopped.text, stopped.end]).toEqual([before, 'stop']);
  expect(await chat.answers([turn], { maxTokens: 16, stopIds: [], stop })).toEqual([before]);
});

test('the same seed gives the same answer', async () => {
  const chat = await open(await llavaInPlace());
  const turn = { messages: [ask('What do you see?')], pictures: [] };
  const options = { temperature: 1.5, maxTokens: 12 };
  const once = await reply(chat, turn, { ...options, seed: 3 });
  expect(await reply(chat, turn, { ...options, seed: 3 })).toEqual(once);
  expect((await reply(chat, turn, { ...options, seed: 4 })).ids).not.toEqual(once.ids);
});

test('an answer ends where the context does', async () => {
  const chat = await open(
    await changedModel('llava', (config) => ({
      ...config,
      text_config: { ...(config.text_config as object), max_position_embeddings: 64 },
    })),
  );
  const turn = { messages: [ask('What do you see?', 1)], pictures: [two] };
  const answer = await reply(chat, turn, { maxTokens: 1000 });
  expect(answer.end).toBe('length');
  expect(promptIds(chat, turn).length + answer.ids.length - 1).toBe(64);
  await expect(reply(chat, turn, { maxTokens: Number.NaN })).rejects.toMatchObject({ code: 'config' });
  const long = { messages: [ask('What do you see? '.repeat(20))], pictures: [] };
  await expect(reply(chat, long)).rejects.toMatchObject({ code: 'limit' });
  await expect(chat.answers([turn, long])).rejects.toMatchObject({ code: 'limit' });
});

test('pictures and places for them must be as many', async () => {
  const chat = await open(await llavaInPlace());
  for (const [places, pictures] of [
    [1, []],
    [0, [two]],
    [2, [two]],
  ] as const) {
    const turn = { messages: [ask('What do you see?', places)], pictures };
    await expect(reply(chat, turn)).rejects.toMatchObject({ code: 'data' });
    await expect(chat.answers([turn])).rejects.toMatchObject({ code: 'data' });
  }
});

test('a model without eyes refuses pictures', async () => {
  const chat = await open(await changedModel('llama', (config) => config));
  const turn = { messages: [ask('What do you see?', 1)], pictures: [two] };
  await expect(reply(chat, turn)).rejects.toMatchObject({ code: 'unsupported' });
});

test('special tokens and image places that a user writes are plain characters', async () => {
  const chat = await open(await llavaInPlace());
  const spelled = { messages: [ask('a <image> </s> b')], pictures: [] };
  const ids = promptIds(chat, spelled);
  expect(ids).not.toContain(chat.model.network.image?.token);
  expect(ids).not.toContain(chat.processor.tokenizer.special.eos);
  expect(await chat.answer(spelled, { maxTokens: 2 })).toBeTypeOf('string');
});

test('what was opened is closed where the rest of a chat does not open', async () => {
  const model = await llavaInPlace();
  let [sessions, closed] = [0, 0];
  const counting = (failing: number): Engine => ({
    ...model.engine,
    async createSession(built, options) {
      if (++sessions === failing) throw new Error('no room for another session');
      const session = await model.engine.createSession(built, options);
      const close = (): Promise<void> => {
        closed++;
        return session.close();
      };
      const { inputs, outputs } = session;
      return { inputs, outputs, run: (feeds, settings) => session.run(feeds, settings), close };
    },
  });
  const whole = await Chat.open({ ...model, engine: counting(0) });
  await whole.close();
  const all = sessions;
  expect([all > 1, closed]).toEqual([true, all]);
  [sessions, closed] = [0, 0];
  await expect(Chat.open({ ...model, engine: counting(all) })).rejects.toThrow('no room for another session');
  expect([sessions, closed]).toEqual([all, all - 1]);
});

test.each([
  [undefined, 'a chat is { messages, pictures }, two lists'],
  [{ messages: [ask('hi')] }, 'a chat is { messages, pictures }, two lists'],
  [{ messages: [], pictures: [] }, 'the chat has no messages'],
  [{ messages: [ask('hi'), { role: 'boss', content: 'x' }], pictures: [] }, 'message 2: there is no role "boss"'],
  [{ messages: [{ role: 'user' }], pictures: [] }, 'message 1: content: expected a text or a list of parts'],
  [{ messages: [ask('hi'), { role: 'assistant', content: null }], pictures: [] }, 'message 2: content: expected'],
  [{ messages: [{ role: 'user', content: [null] }], pictures: [] }, 'message 1: content: expected'],
  [{ messages: [{ role: 'user', content: [{ type: 'text' }] }], pictures: [] }, 'message 1: content: expected'],
])('%j is no chat', async (turn, message) => {
  const chat = await open(await llavaInPlace());
  const asked = turn as PicturedChat;
  for (const answer of [chat.answer(asked), chat.answers([asked])]) {
    await expect(answer).rejects.toMatchObject({ code: 'data', message: expect.stringContaining(message) });
  }
  const processed = () => chat.processor.process([asked], { prompt: true });
  expect(processed).toThrow(expect.objectContaining({ code: 'data' }));
});

test('a stop text says something', async () => {
  const chat = await open(await llavaInPlace());
  const turn = { messages: [ask('hi')], pictures: [] };
  for (const stop of [[''], 'x'] as string[][]) {
    await expect(reply(chat, turn, { stop })).rejects.toThrow('stop: expected texts, none of them empty');
  }
});
