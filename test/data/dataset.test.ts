import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Dataset, type DatasetOptions, openDataset } from '../../src/data/dataset.js';
import { QuintetError, Random } from '../../src/tensor/index.js';
import { sharedFolder } from '../temporary.js';

const folder = sharedFolder();

const path = join(folder, 'samples');
async function withData<T>(text: string | Uint8Array, use: (data: Dataset) => Promise<T>, options?: DatasetOptions) {
  writeFileSync(path, text);
  const data = await openDataset(path, options);
  try {
    return await use(data);
  } finally {
    await data.close();
  }
}
const first = (record: unknown, options?: DatasetOptions) =>
  withData(JSON.stringify(record), (data) => data.read(0), options);

const chat = (user: unknown, more: object = {}) => ({
  messages: [
    { role: 'user', content: user },
    { role: 'assistant', content: 'A cat.' },
  ],
  ...more,
});
const llava = (human: string, more: object = {}) => ({
  conversations: [
    { from: 'human', value: human },
    { from: 'gpt', value: 'A cat.' },
  ],
  ...more,
});

describe('chat messages', () => {
  test('a sample has its messages, its pictures in order, its id and its line', async () => {
    const content = [
      { type: 'image', image: 'a.png' },
      { type: 'text', text: 'or' },
      { type: 'image' },
      { type: 'image_url', image_url: { url: 'sub/c.png' } },
    ];
    const record = chat(content, { images: ['b.png'], id: 7 });
    const sample = await withData(`\n${JSON.stringify(record)}`, (data) => data.read(0));
    expect(sample).toEqual({
      id: '7',
      messages: [
        {
          role: 'user',
          content: [{ type: 'image' }, { type: 'text', text: 'or' }, { type: 'image' }, { type: 'image' }],
        },
        { role: 'assistant', content: 'A cat.' },
      ],
      pictures: ['a.png', 'b.png', 'sub/c.png'].map((name) => join(folder, name)),
      where: `${path}:2`,
    });
  });

  test.each<[string, unknown, string]>([
    ['an unknown role', { messages: [{ role: 'bot', content: '' }] }, 'messages[0].role: expected one of system, user'],
    ['a part without type', chat([{ text: 'x' }]), 'messages[0].content[0].type: expected one of text, image'],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content: expected a text, got nothing'],
    ['no messages', { messages: [] }, 'messages: expected one message or more'],
    ['an image without a picture', chat([{ type: 'image' }]), 'messages[0].content[0]: an image without a picture'],
    ['a picture without a place', chat('x', { images: ['a', 'b'] }), '2 images, but the messages have places for 0'],
    ['neither form', { words: 'x' }, 'expected one of the fields chosen, completion, messages, conversations'],
    ['a caption without a picture', { caption: 'x' }, 'a caption without a picture'],
    ['no object', ['x'], 'expected an array of objects'],
    ['a link', chat([{ type: 'image', url: 'https://example.org/a.png' }]), 'is not a local file'],
    [
      'an inlined sound',
      chat([{ type: 'image', url: `data:audio/wav;base64,${'A'.repeat(999)}` }]),
      'AAA…" is not a local',
    ],
  ])('%s is refused by line and field', async (_, record, message) => {
    await expect(first(record)).rejects.toThrow(message);
    await expect(first(record)).rejects.toThrow(`${path}:1`);
  });
});

test('a picture may be within the record, as a data: URL', async () => {
  const { pictures } = await first(chat([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AQID/w==' } }]));
  expect(pictures.map((picture) => [...(picture as Uint8Array)])).toEqual([[1, 2, 3, 255]]);
});

test('in a record with images a plain text says where they stand', async () => {
  const record = chat('<image>Is it like <image> ?', { images: ['a.png', 'b.png'] });
  const { messages, pictures } = await first(record);
  expect(messages[0]?.content).toEqual([
    { type: 'image' },
    { type: 'text', text: 'Is it like' },
    { type: 'image' },
    { type: 'text', text: '?' },
  ]);
  expect(pictures).toEqual(['a.png', 'b.png'].map((name) => join(folder, name)));
  await expect(first(chat('<image><image>', { images: ['a.png'] }))).rejects.toThrow('an image without a picture');
  // Without pictures the words are only words.
  expect((await first(chat('what is <image>'))).messages[0]?.content).toBe('what is <image>');
});

test('an answer of weight 0 is told apart, as in the format of OpenAI', async () => {
  const turns = (weight: unknown) => ({
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hi.', weight },
      { role: 'user', content: 'Bye' },
      { role: 'assistant', content: 'Bye.', weight: 1 },
    ],
  });
  expect((await first(turns(0))).unlearnt).toEqual([1]);
  expect(await first(turns(1))).not.toHaveProperty('unlearnt');
  await expect(first(turns(0.5))).rejects.toThrow('messages[1]: a weight of 0.5; it is 1, or 0');
});

describe('LLaVA and ShareGPT', () => {
  test('<image> places become image parts, without the white space around them', async () => {
    const sample = await first(llava('<image>\nWhat is it?', { id: 'x1', image: 'coco/a.jpg' }));
    expect(sample.messages[0]).toEqual({
      role: 'user',
      content: [{ type: 'image' }, { type: 'text', text: 'What is it?' }],
    });
    expect(sample.messages[1]).toEqual({ role: 'assistant', content: 'A cat.' });
    expect([sample.id, sample.pictures]).toEqual(['x1', [join(folder, 'coco/a.jpg')]]);
    const two = await first(llava('Compare <image> with\n<image>', { image: ['a.jpg', 'b.jpg'] }));
    expect(two.messages[0]?.content).toEqual([
      { type: 'text', text: 'Compare' },
      { type: 'image' },
      { type: 'text', text: 'with' },
      { type: 'image' },
    ]);
    expect((await first(llava('Just text'))).messages[0]?.content).toBe('Just text');
  });

  test('ShareGPT has a system text, lists of images, and what tools say', async () => {
    const { messages, pictures } = await first({
      system: 'Be brief.',
      images: ['a.jpg'],
      conversations: [
        { from: 'human', value: '<image>\nWhat is it?' },
        { from: 'function_call', value: 'look()' },
        { from: 'observation', value: 'whiskers' },
        { from: 'gpt', value: 'A cat.' },
      ],
    });
    expect(messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What is it?' }] },
      { role: 'assistant', content: 'look()' },
      { role: 'tool', content: 'whiskers' },
      { role: 'assistant', content: 'A cat.' },
    ]);
    expect(pictures).toEqual([join(folder, 'a.jpg')]);
    await expect(first(llava('What?', { videos: ['a.mp4'] }))).rejects.toThrow('videos cannot be learnt from');
  });

  test('as many places as pictures are needed', async () => {
    await expect(first(llava('<image>\nWhat?'))).rejects.toThrow('0 pictures, but 1 places "<image>"');
    await expect(first(llava('What?', { image: 'a.jpg' }))).rejects.toThrow('1 pictures, but 0 places');
    await expect(first({ conversations: [{ from: 'bot', value: '' }] })).rejects.toThrow('conversations[0].from');
  });
});

test('captions, questions and exchanges are conversations that begin with their pictures', async () => {
  const conversation = async (record: unknown) => (await first(record)).messages;
  const image = { type: 'image' };
  expect(await conversation({ image: 'a.jpg', caption: ['A cat.', 'An animal.'] })).toEqual([
    { role: 'user', content: [image] },
    { role: 'assistant', content: 'A cat.' },
  ]);
  expect(await conversation({ file_name: 'a.jpg', text: 'A cat.' })).toEqual(
    await conversation({ image: 'a.jpg', caption: 'A cat.' }),
  );
  expect(await conversation({ image: 'a.jpg', question: 'What is it?', answer: 'A cat.' })).toEqual([
    { role: 'user', content: [image, { type: 'text', text: 'What is it?' }] },
    { role: 'assistant', content: 'A cat.' },
  ]);
  const texts = [
    { user: 'What is it?', assistant: 'A cat.' },
    { user: 'Two?', assistant: 'No.' },
  ];
  expect(await conversation({ images: ['a.jpg', 'b.jpg'], texts })).toEqual([
    { role: 'user', content: [image, image, { type: 'text', text: 'What is it?' }] },
    { role: 'assistant', content: 'A cat.' },
    { role: 'user', content: 'Two?' },
    { role: 'assistant', content: 'No.' },
  ]);
});

test('pictures lie in the given folder, and nowhere else', async () => {
  const picture = async (image: string, pictures?: string) =>
    (await first(llava('<image>', { image }), pictures === undefined ? {} : { pictures })).pictures[0];
  expect(await picture('a.jpg', '/data/coco')).toBe('/data/coco/a.jpg');
  expect(await picture('/data/coco/b/../a.jpg', '/data/coco')).toBe('/data/coco/a.jpg');
  expect(await picture('file:///data/coco/a%20b.jpg', '/data/coco')).toBe('/data/coco/a b.jpg');
  expect(await picture('..a/b.jpg', '/data/coco')).toBe('/data/coco/..a/b.jpg');
  for (const outside of ['../a.jpg', '/etc/passwd', 'b/../../a.jpg', '/data/coco2/a.jpg', 'file:///etc/passwd', '..']) {
    await expect(picture(outside, '/data/coco'), outside).rejects.toThrow('outside /data/coco');
  }
  await expect(picture('file://host/a.jpg')).rejects.toThrow('is not the address of a file');
});

test('any record of a long JSONL file or array is read alone, across the borders of what is read at once', async () => {
  const random = new Random(3);
  const tricky = ['"}],[{', '\\', '\u2028', 'é🐈', '\n', '\t'];
  const records = Array.from({ length: 3000 }, (_, id) =>
    chat(`${random.pick(tricky)}${'x'.repeat(random.integer(1500))}${random.pick(tricky)}`, { id }),
  );
  const lines = records.map((record) => JSON.stringify(record));
  const forms = {
    jsonl: lines.join('\n'),
    windows: `\uFEFF${lines.join('\r\n\r\n')}\r\n`,
    array: JSON.stringify(records, null, 2),
    compact: `  [${lines.join(',')}]\n`,
  };
  const openings = forms.array.split('\n').flatMap((line, i) => (line === '  {' ? [i + 1] : []));
  for (const [form, text] of Object.entries(forms)) {
    await withData(text, async (data) => {
      expect(data.count, form).toBe(3000);
      for (const index of [2999, 0, 1, ...Array.from({ length: 300 }, () => random.integer(3000))]) {
        const { id, messages, where } = await data.read(index);
        expect(id).toBe(String(index));
        expect(messages).toEqual(records[index]?.messages);
        if (form === 'jsonl') expect(where).toBe(`${path}:${index + 1}`);
        if (form === 'windows') expect(where).toBe(`${path}:${2 * index + 1}`);
        if (form === 'array') expect(where).toBe(`${path}:${openings[index]}`);
      }
    });
  }
});

test('a file that is no list of objects is refused with its line', async () => {
  const refused = (text: string, message: string | RegExp) =>
    expect(
      withData(text, (data) => data.read(0)),
      text,
    ).rejects.toThrow(message);
  await refused('', 'holds no samples');
  await refused('[]', 'holds no samples');
  await refused('[{"a": 1},\n 7]', `${path}:2: expected an array of objects`);
  await refused('[{"a": 1}\n', `${path}:2: the array does not end\n  The file is cut off: download`);
  await refused('[{"a": "x}]', 'the array does not end');
  await refused('[{"a": 1}]\n\nx', `${path}:3: text after the end`);
  await refused('{"messages": [}\n', `${path}:1: not JSON`);
  await refused('7', `${path}:1: expected an object, got 7`);
  await refused(`{"messages": ${'['.repeat(100_000)}`, 'nested deeper');
  await refused(`"${'x'.repeat(2 ** 24)}"`, 'at most 16777216 are read');
  await expect(openDataset(join(folder, 'missing.jsonl'))).rejects.toThrow('missing.jsonl: cannot be opened');
  await expect(withData(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), (data) => data.read(0))).rejects.toThrow(
    'not UTF-8',
  );
});

test('a damaged file gives samples or errors of the data, never another failure', async () => {
  const random = new Random(11);
  const good = [
    chat([
      { type: 'image', url: 'file:///a%20b.png' },
      { type: 'text', text: 'é' },
    ]),
    llava('<image> what', { image: ['a'] }),
  ];
  const originals = [JSON.stringify(good), good.map((record) => JSON.stringify(record)).join('\n')];
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bytes = Buffer.from(random.pick(originals));
    for (let change = random.integer(3); change >= 0; change--) {
      bytes[random.integer(bytes.length)] = random.pick([
        0x22,
        0x5b,
        0x7d,
        0x5c,
        0x2c,
        0x25,
        0x00,
        0xff,
        random.integer(256),
      ]);
    }
    const all = async (data: Dataset) => {
      for (let index = 0; index < data.count; index++) await data.read(index);
    };
    await withData(bytes.subarray(0, 1 + random.integer(2 * bytes.length)), all, { pictures: '/' }).catch((error) => {
      expect(error, String(error)).toBeInstanceOf(QuintetError);
      refused++;
    });
  }
  expect(refused).toBeGreaterThan(150);
});
