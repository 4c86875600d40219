import { expect, test } from 'vitest';
import { countImages, inParts, inTexts, type Message } from '../../src/text/messages.js';

const mixed: Message[] = [
  { role: 'system', content: 'Be brief.' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'One' },
      { type: 'text', text: 'two?' },
    ],
  },
  { role: 'assistant', content: 'Three.' },
];
const pictured: Message[] = [
  { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What?' }, { type: 'image' }] },
];

test('the content of every message becomes parts, or one text', () => {
  expect(inParts(mixed).map(({ content }) => content)).toEqual([
    [{ type: 'text', text: 'Be brief.' }],
    [
      { type: 'text', text: 'One' },
      { type: 'text', text: 'two?' },
    ],
    [{ type: 'text', text: 'Three.' }],
  ]);
  expect(inTexts(mixed).map(({ content }) => content)).toEqual(['Be brief.', 'One\ntwo?', 'Three.']);
  expect(inTexts(inParts(mixed)).map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
});

test('a picture cannot become text', () => {
  expect(inParts(pictured)).toEqual(pictured);
  expect(() => inTexts(pictured)).toThrow('a picture in a conversation of a model that sees none');
});

test('pictures are counted over all messages', () => {
  expect([countImages(mixed), countImages(pictured), countImages([...pictured, ...pictured])]).toEqual([0, 2, 4]);
});
