import { expect, test } from 'vitest';
import { createStopMatcher } from '../../src/text/index.js';

/** The text before the first complete stop string; of several that are complete at once, the longest. */
function reference(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop));
    const longest = Math.max(0, ...found.map((stop) => stop.length));
    if (longest > 0) return { text: text.slice(0, end - longest), stopped: true };
  }
  return { text, stopped: false };
}

test('text is cut exactly before a stop string, however it is streamed', () => {
  const sets = [['aab'], ['ab', 'ba'], ['aaaa', 'ab'], ['b', 'aab'], ['aba', 'bb', ''], ['abab', 'babb'], []];
  for (const stops of sets) {
    for (let bits = 0; bits < 2 ** 9; bits++) {
      const text = bits.toString(2).padStart(9, '0').replaceAll('0', 'a').replaceAll('1', 'b');
      const matcher = createStopMatcher(stops);
      let given = '';
      let stopped = false;
      for (let at = 0, size = 1; at < text.length; at += size, size = 1 + ((size + bits) % 4)) {
        const pushed = matcher.push(text.slice(at, at + size));
        given += pushed.text;
        stopped ||= pushed.stopped;
        expect(reference(text, stops).text.startsWith(given)).toBe(true);
      }
      given += matcher.flush();
      expect({ text, given, stopped }).toEqual({
        text,
        given: reference(text, stops).text,
        stopped: reference(text, stops).stopped,
      });
    }
  }
});

test('only what may become a stop string is held back', () => {
  const matcher = createStopMatcher(['</s>', '\nUser:']);
  expect(matcher.push('Hello <')).toEqual({ text: 'Hello ', stopped: false });
  expect(matcher.push('b> </')).toEqual({ text: '<b> ', stopped: false });
  expect(matcher.push('s')).toEqual({ text: '', stopped: false });
  expect(matcher.push('> and more')).toEqual({ text: '', stopped: true });
  expect(matcher.push('ignored')).toEqual({ text: '', stopped: true });
  expect(matcher.flush()).toBe('');
});
