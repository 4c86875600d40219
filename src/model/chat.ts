/** A conversation with a system about pictures: prompts, streamed answers, and what was seen kept for the next turn. */

import type { Picture } from '../media/index.js';
import type { System } from '../system/index.js';
import {
  closeAll,
  closeOnFailure,
  concatRows,
  type HostArray,
  inTurns,
  nextTurn,
  QuintetError,
  show,
  sliceRows,
} from '../tensor/index.js';
import {
  type ConstraintSpec,
  constrainedDetokenizer,
  constrainInParts,
  createDetokenizer,
  createStopMatcher,
  type StopMatcher,
} from '../text/index.js';
import type { Message } from '../text/messages.js';
import { checkImageTokens } from './check-ids.js';
import { generationDefaults } from './defaults.js';
import { checkOptions, type GeneratedToken, type GenerateOptions, generateTokens } from './generate.js';
import type { Cache } from './language-graph.js';
import type { Model } from './model.js';
import { aboutNewest, checkChat, createProcessor, type PicturedChat, type Processor } from './prompt.js';
import { type Remembered, type Seen, seenOf } from './recollection.js';
import { type SeenPicture, VisionSession } from './vision.js';
import { type Voice, Voices } from './voice.js';

export interface ReplyOptions extends Omit<GenerateOptions, 'constrain'> {
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  /** What the answer must be: JSON of a schema, a match of a regular expression, or one of some choices. */
  readonly constrain?: ConstraintSpec;
}

/** A piece of an answer. */
export interface ReplyPiece {
  /** May be empty, where a token only begins a character. */
  readonly text: string;
  /** The token that was just generated; absent in the last piece. */
  readonly token?: Pick<GeneratedToken, 'id' | 'logprob' | 'top'>;
  /** In the last piece: what ended the answer. */
  readonly end?: 'stop' | 'length';
}

interface Settings {
  /** Options as the generation loop takes them. */
  readonly generation: GenerateOptions;
  readonly stop: readonly string[];
}

/** Text of tokens: what is certain after each, and the rest. */
interface AnswerReader {
  push(id: number): ReturnType<StopMatcher['push']>;
  flush(): string;
}

export class Chat {
  #busy = false;
  #latest: Remembered | undefined;

  private constructor(
    readonly model: Model<System>,
    readonly processor: Processor,
    /** What speaks, with or without pictures. */
    readonly voices: Voices,
    private readonly vision: VisionSession | undefined,
  ) {}

  /** Compiles what a conversation with the model needs. */
  static async open(model: Model<System>): Promise<Chat> {
    const processor = createProcessor(model);
    const voices = new Voices(model);
    return closeOnFailure([voices], async () => {
      // Which of two will be needed is not known yet.
      if (!model.pictureAdapter) await voices.of(0);
      const vision = model.network.image ? await VisionSession.open(model) : undefined;
      return new Chat(model, processor, voices, vision);
    });
  }

  /**
   * Another chat with the same sessions and recollections, which may answer at the same time: a conversation that goes on
   * in both takes two ways from there. Closing either closes the sessions of both.
   */
  fork(): Chat {
    return new Chat(this.model, this.processor, this.voices, this.vision);
  }

  /**
   * Streams the answer to the last message. Of the conversation only what is new since the last call is computed. One
   * answer at a time; leaving the loop ends it.
   */
  async *reply(chat: PicturedChat, options: ReplyOptions = {}): AsyncGenerator<ReplyPiece, void, undefined> {
    if (this.#busy) throw new QuintetError('unsupported', 'this conversation is still being answered');
    this.#busy = true;
    try {
      const { signal } = options;
      const settings = await this.#settings(options);
      const { messages, pictures } = this.#read(chat);
      const seen = await Promise.all(pictures.map((picture) => this.#see(picture, signal)));
      const ids = await this.#encode(messages, seen);
      const known = seenOf(ids, pictures);
      const voice = await this.voices.of(pictures.length);
      const cache = await this.#recall(voice, known, ids.length + (settings.generation.maxTokens ?? 256));
      const features = this.#pending(
        ids,
        cache,
        seen.map((picture) => picture.features),
      );
      const prompts = { ids: [ids], features };
      const tokens = generateTokens(voice.language, cache, prompts, settings.generation);
      yield* this.#stream(voice, tokens, { cache, ...known }, settings);
    } finally {
      this.#busy = false;
    }
  }

  /** What the model reads of a conversation. */
  #read(chat: PicturedChat): PicturedChat {
    checkChat(chat);
    return this.model.network.image?.single ? aboutNewest(chat) : chat;
  }

  /** The whole answer to the last message. Fails with 'limit' where it is cut before it has the form that it is held to. */
  async answer(chat: PicturedChat, options: ReplyOptions = {}): Promise<string> {
    let text = '';
    let end: ReplyPiece['end'];
    for await (const piece of this.reply(chat, options)) {
      text += piece.text;
      end = piece.end;
    }
    this.#checkWhole(end, options, 'the answer');
    return text;
  }

  /** Answers to several conversations, computed together. Fails as `answer` does where any of them is cut. */
  async answers(given: readonly PicturedChat[], options: ReplyOptions = {}): Promise<string[]> {
    if (given.length === 0) return [];
    const settings = await this.#settings(options);
    const { generation } = settings;
    const chats = given.map((chat) => this.#read(chat));
    const seen = await Promise.all(
      chats.map(({ pictures }) => Promise.all(pictures.map((picture) => this.#see(picture, generation.signal)))),
    );
    const ids: number[][] = [];
    for (const [i, { messages }] of chats.entries()) ids.push(await this.#encode(messages, seen[i] ?? []));
    for (const row of ids) this.#checkFits(row);
    const features = seen.map((pictures) => pictures.map((picture) => picture.features));
    const longest = Math.max(...ids.map((row) => row.length)) + (generation.maxTokens ?? 256);
    const capacity = this.#capacity(longest);
    const { language } = await this.voices.of(features.flat().length);
    const rows = ids.map(() => ({ reader: this.#reader(settings), text: '', stopped: false }));
    // Rows are turned together, by the length of the longest: where it counts, each is answered alone.
    const isAlike = language.anglesBy(1) === language.anglesBy(Math.min(longest, capacity));
    const size = isAlike ? ids.length : 1;
    for (let first = 0; first < ids.length; first += size) {
      const cache = language.start(size, capacity);
      const prompts = {
        ids: ids.slice(first, first + size),
        ...joined(features.slice(first, first + size).flat()),
      };
      const own = rows.slice(first, first + size);
      const tokens = generateTokens(language, cache, prompts, {
        ...generation,
        firstRow: first + (generation.firstRow ?? 0),
      });
      for await (const { row, id, end } of tokens) {
        const answer = own[row] as (typeof own)[number];
        if (answer.stopped) continue;
        this.#checkWhole(end, options, `answer ${first + row + 1} of ${rows.length}`);
        const { text, stopped } = answer.reader.push(id);
        answer.text += text;
        answer.stopped = stopped;
        if (own.every((other) => other.stopped)) break;
      }
    }
    return rows.map(({ reader, text, stopped }) => (stopped ? text : text + reader.flush()));
  }

  /** What was seen of the conversation that this chat answered last. */
  get latest(): Remembered | undefined {
    return this.#latest;
  }

  /** The settings that the model's `generation_config.json` asks for. */
  defaults(): GenerateOptions {
    return generationDefaults(this.model);
  }

  async #settings({ constrain: form, stop = [], ...options }: ReplyOptions): Promise<Settings> {
    const generation = { ...this.defaults(), ...options };
    // Room for the answer is made before the loop that writes it begins.
    checkOptions(generation, this.model.network.backbone.part.vocab);
    if (!Array.isArray(stop) || stop.some((text) => typeof text !== 'string' || text === '')) {
      throw new QuintetError('config', `stop: expected texts, none of them empty, got ${show(stop)}`);
    }
    if (form === undefined) return { generation, stop };
    if (stop.length > 0) {
      throw new QuintetError('constraint', 'stop texts would cut an answer that is held to a form');
    }
    const making = constrainInParts(form, this.processor.tokenizer, generation.stopIds);
    return { generation: { ...generation, constrain: await inTurns(making, generation.signal) }, stop };
  }

  /** Makes text of the tokens of an answer, as far as a stop text. */
  #reader({ generation: { constrain: isHeld, stopIds = [] }, stop }: Settings): AnswerReader {
    const { tokenizer } = this.processor;
    const detokenizer = isHeld
      ? constrainedDetokenizer(tokenizer)
      : createDetokenizer(tokenizer, { skipSpecial: true });
    const matcher = createStopMatcher(stop);
    return {
      // What ends an answer is no part of it, special or not.
      push: (id) => matcher.push(stopIds.includes(id) ? '' : detokenizer.push(id)),
      flush() {
        const rest = matcher.push(detokenizer.flush());
        return rest.text + (rest.stopped ? '' : matcher.flush());
      },
    };
  }

  close(): Promise<void> {
    return closeAll(this.voices, this.vision);
  }

  #checkWhole(end: ReplyPiece['end'], { constrain }: ReplyOptions, which: string): void {
    if (!constrain || end !== 'length') return;
    throw new QuintetError('limit', `${which} was cut before it had the form that it is held to`, {
      at: this.model.network.name,
      hint: 'raise maxTokens, bound strings and arrays in the form, or use reply, which gives what there is',
    });
  }

  #see(picture: Picture, signal: AbortSignal | undefined) {
    if (this.vision) return this.vision.see(picture, this.processor, signal);
    throw new QuintetError('unsupported', 'this model takes no pictures', { at: this.model.network.name });
  }

  async #encode(messages: readonly Message[], seen: readonly SeenPicture[]): Promise<number[]> {
    const layouts = seen.map(({ layout }) => layout);
    await nextTurn();
    const text = this.processor.render(messages, { prompt: true });
    await nextTurn();
    const ids = this.processor.encode(text, layouts);
    await nextTurn();
    const features = seen.reduce((sum, { features: { shape } }) => sum + (shape[0] as number), 0);
    const { network } = this.model;
    const hint = `features stand at the id ${network.image?.token} of config.json: the template, the prompt and tokenizer.json must agree with it`;
    checkImageTokens(network, ids, { features, at: network.name, hint });
    return ids;
  }

  #checkFits(ids: readonly number[]): void {
    const { context } = this.model.network.backbone.part;
    if (ids.length < context) return;
    throw new QuintetError('limit', `the prompt takes ${ids.length} tokens, and the context has ${context}`, {
      at: this.model.network.name,
      hint: 'shorten the conversation, or use fewer pictures',
    });
  }

  /** Room for a conversation, with some to spare so that the next turn fits too; never beyond the model's context. */
  #capacity(wanted: number): number {
    const { context } = this.model.network.backbone.part;
    return Math.min(context, Math.ceil(wanted / 256) * 256);
  }

  /** A cache of as much of the prompt as is remembered, all but its last token at most. */
  #recall({ recollection }: Voice, seen: Seen, wanted: number): Promise<Cache> {
    this.#checkFits(seen.ids);
    const enough = Math.min(wanted, this.model.network.backbone.part.context);
    return recollection.recall(seen, { capacity: this.#capacity(wanted), enough });
  }

  /** The features of image tokens that the cache does not hold yet. */
  #pending(ids: readonly number[], cache: Cache, features: readonly HostArray[]): HostArray | undefined {
    if (features.length === 0) return undefined;
    const token = this.model.network.image?.token;
    const all = concatRows(features);
    const rows = all.shape[0] as number;
    const skip = ids.slice(0, cache.lengths[0]).filter((id) => id === token).length;
    return skip === rows ? undefined : sliceRows(all, skip, rows);
  }

  async *#stream(
    voice: Voice,
    tokens: AsyncGenerator<GeneratedToken>,
    { cache, ids, pictures }: Remembered,
    settings: Settings,
  ): AsyncGenerator<ReplyPiece, void, undefined> {
    const reader = this.#reader(settings);
    const all = [...ids];
    let end: 'stop' | 'length' = 'length';
    try {
      for await (const { id, logprob, top, end: ended } of tokens) {
        all.push(id);
        const { text, stopped } = reader.push(id);
        yield { text, token: { id, logprob, top } };
        if (stopped) {
          yield { text: '', end: 'stop' };
          return;
        }
        end = ended ?? end;
      }
      yield { text: reader.flush(), end };
    } finally {
      await this.#keep(voice, { cache, ids: all.slice(0, cache.lengths[0]), pictures });
    }
  }

  async #keep({ recollection }: Voice, remembered: Remembered): Promise<void> {
    // An encoder reads every conversation as a whole: nothing of the last one can be kept.
    if (this.model.network.backbone.part.encoder) return;
    if (remembered.ids.length > 0) this.#latest = remembered;
    const kept = await recollection.keep(remembered);
    if (this.#latest === remembered) this.#latest = kept;
  }
}

function joined(features: readonly HostArray[]): { features?: HostArray } {
  return features.length > 0 ? { features: concatRows(features) } : {};
}
