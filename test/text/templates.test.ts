import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { QuintetError } from '../../src/tensor/index.js';
import { type ChatMessage, renderChat } from '../../src/text/index.js';

interface Rendered {
  readonly text?: string;
  readonly generated?: readonly (readonly [number, number])[];
  readonly error?: string;
}
interface Chat extends Rendered {
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly unknown[] | null;
  readonly add: boolean;
}
interface Snippet extends Rendered {
  readonly template: string;
}
const fixture = new URL('../fixtures/text/templates.json', import.meta.url);
const { templates, chats, names, user, snippets, faulty } = JSON.parse(readFileSync(fixture, 'utf8')) as {
  templates: Readonly<Record<string, string>>;
  chats: readonly Chat[];
  names: Readonly<Record<string, unknown>>;
  user: ChatMessage;
  snippets: readonly Snippet[];
  faulty: readonly Snippet[];
};

test('chats are rendered as Jinja renders them, with what the assistant says marked', () => {
  const variables = { bos_token: '<s>', eos_token: '</s>' };
  for (const { name, messages, tools, add, text, generated, error } of chats) {
    const options = { addGenerationPrompt: add, variables, ...(tools === null ? {} : { tools }) };
    const render = () => renderChat(templates[name] as string, messages, options);
    if (error !== undefined) expect(render).toThrow(error);
    else expect(render()).toEqual({ text, generated });
  }
});

test('expressions, filters, tests and white space are those of Jinja', () => {
  for (const { template, text, generated, error } of snippets) {
    const render = () => renderChat(template, [user], { variables: names });
    if (error !== undefined) expect(render, template).toThrow(QuintetError);
    else expect({ template, ...render() }).toEqual({ template, text, generated });
  }
});

test('what Jinja refuses is refused as a fault of the template', () => {
  for (const { template, error } of faulty) {
    expect(error, template).toBeDefined();
    expect(() => renderChat(template, [user], { variables: names }), template).toThrow(
      expect.objectContaining({ name: 'QuintetError', code: 'template' }) as Error,
    );
  }
});

test('raise_exception gives its message', () => {
  expect(() => renderChat("{{ raise_exception('roles must alternate') }}", [])).toThrow('roles must alternate');
});

test('the time is the one that is given', () => {
  const now = new Date(2026, 1, 3, 16, 5, 9);
  // Python: datetime(2026, 2, 3, 16, 5, 9).strftime('%d %b %Y|%A, %B %-d|%H:%M:%S|%I %p|%j|%y-%m|%%')
  const template = "{{ strftime_now('%d %b %Y|%A, %B %-d|%H:%M:%S|%I %p|%j|%y-%m|%%') }}";
  expect(renderChat(template, [], { now }).text).toBe('03 Feb 2026|Tuesday, February 3|16:05:09|04 PM|034|26-02|%');
  expect(renderChat('{{ strftime_now is defined }}', []).text).toBe('False');
});

test('a template sees data and nothing else', () => {
  const messages = [{ role: 'user', content: [{ type: 'image', image: new Uint8Array(9) }] }];
  expect(renderChat('{{ messages[0].content[0].image | tojson }}', messages).text).toBe('{}');
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    const look = `{{ messages.${name} is defined }}{{ messages[0]['${name}'] is defined }}{{ 'x'.${name} is defined }}`;
    expect(renderChat(look, messages).text).toBe('FalseFalseFalse');
    expect(() => renderChat(`{{ 1 | ${name} }}`, [])).toThrow(QuintetError);
    expect(() => renderChat(`{{ 1 is ${name} }}`, [])).toThrow(QuintetError);
    expect(() => renderChat(`{% ${name} %}`, [])).toThrow(QuintetError);
  }
});
