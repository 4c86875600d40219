/** Where a checkpoint keeps its chat template. */

import { fields, parseJson, QuintetError } from '../tensor/index.js';

/**
 * The chat template among the files of a model folder (texts by file name): chat_template.jinja, else `chat_template` of
 * chat_template.json, processor_config.json or tokenizer_config.json. Where a file names several, `name` picks one; the usual
 * one is "default". Undefined where the model has none.
 */
export function findChatTemplate(
  files: Readonly<Record<string, string | undefined>>,
  name = 'default',
): string | undefined {
  const further = files[`additional_chat_templates/${name}.jinja`];
  if (further !== undefined) return further;
  if (name === 'default' && files['chat_template.jinja'] !== undefined) return files['chat_template.jinja'];
  for (const file of ['chat_template.json', 'processor_config.json', 'tokenizer_config.json']) {
    const text = files[file];
    if (text === undefined) continue;
    const { raw } = fields(parseJson(text, file), file);
    const found = raw.chat_template === undefined ? undefined : named(raw.chat_template, name, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A template is a text, a record of texts by name, or a list of {name, template}. */
function named(value: unknown, name: string, file: string): string | undefined {
  if (typeof value === 'string') return name === 'default' ? value : undefined;
  if (value === null) return undefined;
  const at = `${file}: chat_template`;
  if (!Array.isArray(value)) {
    const templates = fields(value, at);
    return templates.has(name) ? templates.text(name) : undefined;
  }
  const entries = value.map((entry, i) => fields(entry, `${at}[${i}]`));
  const found = entries.find((entry) => entry.text('name') === name);
  if (found === undefined && name !== 'default') {
    const known = entries.map((entry) => entry.text('name')).join(', ');
    throw new QuintetError('template', `no template "${name}"; there are ${known}`, { at });
  }
  return found?.text('template');
}
