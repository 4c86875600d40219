/** Captioned pictures: `{"image": "cat.jpg", "caption": "A cat."}`, as a question without words and its answer. */

import type { Fields } from '../tensor/index.js';
import type { Conversation } from './sample.js';

export function readCaption(record: Fields): Conversation {
  return {
    messages: [
      { role: 'user', content: [{ type: 'image' }] },
      { role: 'assistant', content: record.text('caption') },
    ],
    pictures: [record.text('image')],
  };
}
