/** From messages and pictures to what a system takes: the rendered chat, its tokens, and pixel tensors. */

import type { FolderFiles } from '../checkpoint/index.js';
import { type ImageProcessor, imageProcessorOf, type Picture, type PictureLayout } from '../media/index.js';
import { rootScope } from '../nn/index.js';
import { type HostArrays, type ImageInput, imageFeatures, inputTensors, type System } from '../system/index.js';
import {
  atOnce,
  fields,
  type HostArray,
  hostArray,
  type InParts,
  QuintetError,
  show,
  toNumbers,
} from '../tensor/index.js';
import { createTokenizer, ggufTokenizer, renderChat, type Tokenizer } from '../text/index.js';
import { countImages, inParts, inTexts, isContent, type Message, roles } from '../text/messages.js';
import type { Model } from './model.js';

/** A chat and the pictures of its places, in order. */
export interface PicturedChat {
  readonly messages: readonly Message[];
  readonly pictures: readonly Picture[];
}

export interface Rendering {
  readonly prompt: boolean;
  readonly preamble?: boolean;
  /** The functions that may be called, as JSON schemas. */
  readonly tools?: readonly unknown[] | undefined;
}

export interface ProcessedPictures {
  readonly tensors: HostArrays;
  readonly layouts: readonly (readonly PictureLayout[])[];
}

export interface Processor {
  readonly tokenizer: Tokenizer;
  /** The template, where the model has one. */
  readonly template: string | undefined;
  /**
   * The chat as text, with one placeholder a picture; with `prompt`, followed by what asks for an answer. Text that the
   * model's processor writes before chats is left out where `preamble` is false. Throws 'data' where the template does not
   * write the tools, their calls or thoughts that there are.
   */
  render(messages: readonly Message[], options: Rendering): string;
  /** Tokens of a rendered chat, image tokens in place of the placeholders. */
  encode(text: string, pictures: readonly PictureLayout[]): number[];
  /** Pixel tensors under Hugging Face's names, and how each picture was laid out, chat by chat. */
  pixels(chats: readonly (readonly Picture[])[]): ProcessedPictures;
  /** The same in parts. */
  pixelsInParts(chats: readonly (readonly Picture[])[]): InParts<ProcessedPictures>;
  /** Everything that the system takes for some chats; shorter ones are padded on the left, for an encoder on the right. */
  process(chats: readonly PicturedChat[], options: { readonly prompt: boolean }): HostArrays;
}

/** The processor of a model by the files beside its weights. */
export function createProcessor({ network: system, files, metadata }: Model<System>): Processor {
  if (!files) throw new QuintetError('not-found', 'the model came from no folder', { at: system.name });
  const tokenizer = tokenizerOf(system.name, files, metadata);
  const template = files.chatTemplates.get('default');
  const prompter = promptOf(system, tokenizer);
  let processor: ImageProcessor | undefined;
  const pixelsInParts: Processor['pixelsInParts'] = function* (chats) {
    if (chats.every((pictures) => pictures.length === 0)) return { tensors: {}, layouts: chats.map(() => []) };
    if (!system.image) throw new QuintetError('unsupported', 'this model takes no pictures', { at: system.name });
    processor ??= imageProcessorOf({ processor: files.processorConfig, preprocessor: files.preprocessorConfig });
    const { tensors, pictures } = yield* processor.inParts(chats);
    return { tensors, layouts: pictures };
  };
  const pixels: Processor['pixels'] = (chats) => atOnce(pixelsInParts(chats));
  const before = preambleOf(system, files);
  const render: Processor['render'] = (messages, { prompt, preamble = true, tools }) => {
    checkWritten(template, messages, tools);
    const guarded = messages.map((message) => guardMessage(message, prompter.reserved));
    const start = preamble ? before : '';
    if (template === undefined) return start + plain(guarded);
    const shaped = (system.image ? inParts(guarded) : inTexts(guarded)).map(({ further, ...message }) => ({
      ...message,
      ...further,
    }));
    const options = {
      ...{ addGenerationPrompt: prompt, variables: specialTexts(tokenizer), now: new Date() },
      ...(tools ? { tools } : {}),
    };
    return start + renderChat(template, shaped, options).text;
  };
  return {
    tokenizer,
    template,
    render,
    encode: prompter.encode,
    ...{ pixels, pixelsInParts },
    process(chats, options) {
      for (const chat of chats) checkChat(chat);
      const { tensors, layouts } = pixels(chats.map(({ pictures }) => pictures));
      const rows = chats.map(({ messages }, i) => prompter.encode(render(messages, options), layouts[i] ?? []));
      return { ...padRows(rows, prompter.leading(layouts), tokenizer.special.pad ?? 0), ...tensors };
    },
  };
}

/** What Janus's processors write before a chat, where their files ask for it. */
function preambleOf({ image }: System, { processorConfig = {} }: FolderFiles): string {
  const asked = fields(processorConfig, 'processor_config.json').flag('use_default_system_prompt', false);
  return asked ? (image?.prompt.preamble ?? '') : '';
}

/** The tokenizer of a model's files, or of a .gguf file's own description. */
export function tokenizerOf(
  name: string,
  files: FolderFiles,
  metadata: ReadonlyMap<string, unknown> = new Map(),
): Tokenizer {
  if (files.tokenizer) return createTokenizer(files.tokenizer, files.tokenizerConfig);
  if (metadata.has('tokenizer.ggml.model')) return ggufTokenizer(metadata);
  throw new QuintetError('not-found', 'no tokenizer.json beside the weights', { at: name });
}

/** Throws 'data' where there is no message, one of an unknown role or content, or not as many pictures as places for them. */
export function checkChat(chat: PicturedChat): void {
  const { messages, pictures }: Partial<PicturedChat> = chat ?? {};
  if (!Array.isArray(messages) || !Array.isArray(pictures)) {
    throw new QuintetError('data', 'a chat is { messages, pictures }, two lists');
  }
  if (messages.length === 0) throw new QuintetError('data', 'the chat has no messages');
  for (const [i, message] of (messages as readonly Message[]).entries()) checkMessage(message, `message ${i + 1}`);
  const places = countImages(messages);
  if (places === pictures.length) return;
  throw new QuintetError('data', `the messages have places for ${places} pictures, and ${pictures.length} are given`);
}

function checkMessage(message: Message | undefined, at: string): void {
  if (!message || !roles.includes(message.role)) {
    const hint = `roles: ${roles.join(', ')}`;
    throw new QuintetError('data', `there is no role ${show(message?.role)}`, { at, hint });
  }
  if (isContent(message.content)) return;
  throw new QuintetError('data', `content: expected a text or a list of parts, got ${show(message.content)}`, {
    at,
    hint: "parts: { type: 'text', text } and { type: 'image' }; what only calls tools has the content ''",
  });
}

/**
 * What is read of a conversation by a system that has learnt of one picture: from the newest on, behind what the system says.
 * Throws 'unsupported' where one message has several.
 */
export function aboutNewest(chat: PicturedChat): PicturedChat {
  const { messages, pictures } = chat;
  const newest = messages.findLastIndex((message) => countImages([message]) > 0);
  if (newest < 0) return chat;
  const begun = messages.slice(newest);
  if (countImages(begun) > 1) {
    throw new QuintetError('unsupported', 'it looks at one picture at a time', {
      at: `message ${newest + 1}`,
      hint: 'Give each picture with a question of its own',
    });
  }
  return {
    messages: [...messages.slice(0, newest).filter(({ role }) => role === 'system'), ...begun],
    pictures: pictures.slice(-1),
  };
}

/** Throws 'data' where a template leaves out what would then be learnt without. */
function checkWritten(template = '', messages: readonly Message[], tools: Rendering['tools']): void {
  const given = [...(tools ? ['tools'] : []), ...messages.flatMap(({ further = {} }) => Object.keys(further))];
  const lost = ['tools', 'tool_calls', 'reasoning_content'].find(
    (name) => given.includes(name) && !template.includes(name),
  );
  if (lost === undefined) return;
  throw new QuintetError('data', `has ${lost}, which the model's chat template does not write`, {
    hint: 'Take them out of the data, or give the model a template that writes them',
  });
}

/** Without a template: what the messages say, nothing around it. */
function plain(messages: readonly Message[]): string {
  return messages
    .flatMap(({ content }) =>
      typeof content === 'string' ? [content] : content.map((part) => (part.type === 'text' ? part.text : '')),
    )
    .filter((text) => text !== '')
    .join('\n');
}

function specialTexts(tokenizer: Tokenizer): Record<string, string> {
  const texts = Object.entries(tokenizer.special).map(([role, id]) => [`${role}_token`, tokenizer.tokenOf(id) ?? '']);
  return Object.fromEntries(texts);
}

// Around what a user wrote that spells a special token: private-use characters that no tokenizer gives a meaning.
const [guardStart, guardEnd] = ['\uf8f0', '\uf8f1'];

/** What a user writes is never a special token: spellings of reserved ones are marked, and encoded as plain characters. */
function guardMessage(message: Message, reserved: readonly string[]): Message {
  if (message.role === 'system') return message;
  const guard = (text: string): string => {
    const bare = text.replaceAll(guardStart, '').replaceAll(guardEnd, '');
    return reserved.reduce((result, token) => result.replaceAll(token, guardStart + token + guardEnd), bare);
  };
  const { content, further } = message;
  const own = { ...message, ...(further ? { further: inTextsOf(further, guard) as typeof further } : {}) };
  if (typeof content === 'string') return { ...own, content: guard(content) };
  return {
    ...own,
    content: content.map((part) => (part.type === 'text' ? { ...part, text: guard(part.text) } : part)),
  };
}

/** A JSON value with all its texts changed. */
function inTextsOf(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => inTextsOf(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inTextsOf(item, change)]));
}

interface Prompter {
  /** Spellings that mean something to the tokenizer or the system, longest first. */
  readonly reserved: readonly string[];
  encode(text: string, pictures: readonly PictureLayout[]): number[];
  /** For each chat the number of tokens that stand before the padding. */
  leading(layouts: readonly (readonly PictureLayout[])[]): readonly number[];
}

function promptOf({ image, ...system }: System, tokenizer: Tokenizer): Prompter {
  const tokens = image ? featuresPerPicture({ image, ...system }) : 0;
  const placeholder = image && spellingOf(image, tokenizer);
  const special = Array.from({ length: tokenizer.size }, (_, id) => id).filter((id) => tokenizer.isSpecial(id));
  const spelled = special.map((id) => tokenizer.tokenOf(id) ?? '').filter((text) => text.trim() !== '');
  const reserved = [...new Set([...spelled, ...(placeholder ? [placeholder] : [])])].sort(
    (a, b) => b.length - a.length,
  );
  const beginning = tokenizer.special.bos === undefined ? '' : (tokenizer.tokenOf(tokenizer.special.bos) ?? '');
  const expand = ({ grid }: PictureLayout): string =>
    image?.prompt.expand({ tokens, feature: placeholder ?? '', ...(grid ? { grid } : {}) }) ?? '';
  return {
    reserved,
    leading: (layouts) =>
      layouts.map((pictures) => {
        if (system.backbone.part.encoder) return Number.POSITIVE_INFINITY;
        return image?.prompt.first ? pictures.length * tokens : 0;
      }),
    encode(text, pictures) {
      const before = image?.prompt.first ? tokenizer.encode(pictures.map(expand).join(''), { parse: true }) : [];
      const filled = image && !image.prompt.first ? fill(text, placeholder ?? '', pictures.map(expand)) : text;
      const ids = filled.split(/([\uf8f0][^\uf8f1]*[\uf8f1])/u).flatMap((piece) => {
        const guarded = piece.startsWith(guardStart);
        return tokenizer.encode(guarded ? piece.slice(1, -1) : piece, { parse: !guarded });
      });
      // A template that writes the beginning-of-text token itself must not get a second one.
      const surrounded = beginning === '' || !filled.startsWith(beginning);
      return [...before, ...(surrounded ? tokenizer.surround(ids) : ids)];
    },
  };
}

/** What stands for a picture: the tokenizer's own word for the id of features, where it is a special one. */
function spellingOf({ token, prompt }: ImageInput, tokenizer: Tokenizer): string {
  const spelled = tokenizer.isSpecial(token) ? tokenizer.tokenOf(token) : undefined;
  return spelled ?? prompt.placeholder;
}

/** A text with each placeholder outside of guarded stretches replaced in order; those beyond the list stay. */
function fill(text: string, placeholder: string, replacements: readonly string[]): string {
  let next = 0;
  return text
    .split(/([\uf8f0][^\uf8f1]*[\uf8f1])/u)
    .map((piece) =>
      piece.startsWith(guardStart) ? piece : piece.replaceAll(placeholder, () => replacements[next++] ?? placeholder),
    )
    .join('');
}

/** Features that the backbone is given for a picture (or a tile of one), by the shapes of the parts. */
export function featuresPerPicture(system: Pick<System, 'image' | 'backbone' | 'inputs' | 'name'>): number {
  return imageFeatures(system as System, rootScope().p, inputTensors(system.inputs)).size(1);
}

/** Rows of ids as input_ids and attention_mask [B, T]; padding stands behind the first `leading` tokens of a row. */
function padRows(
  rows: readonly (readonly number[])[],
  leading: readonly number[],
  pad: number,
): Record<string, HostArray> {
  const length = Math.max(...rows.map((row) => row.length));
  const pads = rows.map((row) => length - row.length);
  const table = (fill: (row: readonly number[], i: number) => readonly number[]): HostArray =>
    hostArray('i64', [rows.length, length], rows.flatMap(fill));
  const around = (row: readonly number[], i: number, padding: number): number[] => [
    ...row.slice(0, leading[i]),
    ...new Array<number>(pads[i] as number).fill(padding),
    ...row.slice(leading[i]),
  ];
  return {
    input_ids: table((row, i) => around(row, i, pad)),
    attention_mask: table((row, i) =>
      around(
        row.map(() => 1),
        i,
        0,
      ),
    ),
  };
}

/** The rows of input_ids [B, T] without what attention_mask marks as padding: positions count real tokens only. */
export function realTokens({ input_ids: ids, attention_mask: mask }: HostArrays): number[][] {
  if (!ids || !mask) throw new QuintetError('name', 'a prompt needs input_ids and attention_mask');
  const [rows, length] = ids.shape as [number, number];
  const [tokens, present] = [toNumbers(ids), toNumbers(mask)];
  return Array.from({ length: rows }, (_, row) =>
    tokens.slice(row * length, (row + 1) * length).filter((_, i) => present[row * length + i] === 1),
  );
}
