/** Whole systems against their reference implementations: numbers, tokens, prompts, pixels and answers. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, continueGreedily, createProcessor, type PicturedChat } from '../../src/model/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import type { Message } from '../../src/text/messages.js';
import { expectFixture, fixtureJson, fixturePath, fixtureTensors, withModel } from '../fixture.js';
import { expectClose } from '../graph/close.js';

const names = readdirSync(fixturePath('.')).filter((name) =>
  /^(llama|opt|gpt2|qwen|phi3|gemma|mi[sx]tral|llava|blip2|smolvlm|idefics3)/.test(name),
);
const sets = names.flatMap((name) => ['', '2'].map((set) => [name, set] as const));

/** The chats of a set, each a list of messages; a set of one holds just that. */
async function chatsOf(name: string, set: string): Promise<PicturedChat[]> {
  const stored = fixtureJson(name, `messages${set}.json`) as unknown as Message[] | Message[][];
  const lists = (Array.isArray(stored[0]) ? stored : [stored]) as Message[][];
  return Promise.all(
    lists.map(async (messages) => {
      const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
      const paths = parts.flatMap((part) =>
        part.type === 'image' ? [(part as unknown as { path: string }).path] : [],
      );
      return {
        messages,
        pictures: await Promise.all(paths.map((path) => loadPicture(`${fixturePath(name)}/${path}`))),
      };
    }),
  );
}

/** How many tokens the reference generated. */
const newTokens = (name: string): number =>
  (fixtureJson(name).generate as Readonly<Record<string, number>>).max_new_tokens as number;

const listOf = (value: unknown): string[] => [value].flat() as string[];
const values = (array: HostArray | undefined) => ({ shape: array?.shape ?? [], data: array ? toNumbers(array) : [] });

test('the fixtures cover the four shapes', () => {
  expect(names.length).toBeGreaterThanOrEqual(11);
});

describe.each(sets)('%s%s', (name, set) => {
  test('outputs, loss and gradients equal the reference', () =>
    expectFixture(name, set, {}, { forward: 2e-5, gradient: 1e-4 }));

  test('greedy continuations are the same tokens', () =>
    withModel(name, async (model) => {
      const { input_ids, attention_mask, labels: _, ...pixels } = await fixtureTensors(name, `inputs${set}`);
      const { sequences } = await fixtureTensors(name, `expected${set}`);
      const given = { input_ids, attention_mask, ...pixels } as Record<string, HostArray>;
      expect(values(await continueGreedily(asSystem(model), given, newTokens(name)))).toEqual(values(sequences));
    }));

  test.runIf(existsSync(`${fixturePath(name)}/messages${set}.json`))(
    'messages become the same prompt, ids, pixels and answer',
    () =>
      withModel(name, async (loaded) => {
        const model = asSystem(loaded);
        const texts = fixtureJson(name, 'expected.json');
        const expected = await fixtureTensors(name, `expected${set}`);
        const chats = await chatsOf(name, set);
        const processor = createProcessor(model);
        const prompts = chats.map(({ messages }) => processor.render(messages, { prompt: true }));
        expect(prompts).toEqual(listOf(texts[`prompt_text${set}`]));

        const processed = processor.process(chats, { prompt: true });
        for (const [key, wanted] of Object.entries(expected).filter(([key]) => key.startsWith('processed/'))) {
          const found = processed[key.slice('processed/'.length)] as HostArray;
          expectClose(found, values(wanted), key, { rtol: 0, atol: key.endsWith('pixel_values') ? 1e-6 : 0 });
        }

        const answers = listOf(texts[`answer_text${set}`]);
        const maxTokens = newTokens(name);
        const chat = await Chat.open(model);
        try {
          expect(await chat.answers(chats, { maxTokens })).toEqual(answers);
          for (const [i, one] of chats.entries()) expect(await chat.answer(one, { maxTokens })).toBe(answers[i]);
        } finally {
          await chat.close();
        }
      }),
  );
});
