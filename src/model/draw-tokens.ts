/**
 * Pictures code by code: the language session under classifier-free guidance, and the decoder behind it.
 *
 * Wu et al., "Janus", 2024, section 3.4, https://arxiv.org/abs/2410.13848
 *
 * B pictures, N codes a picture, K codes in the book, V vocabulary
 */
import { input, less, maximum, minimum, sub, type Tensor, unsqueeze, where } from '../graph/index.js';
import type { Session } from '../runtime/engine.js';
import type { HostArrays, PictureCodes, System } from '../system/index.js';
import { closeAll, fields, type HostArray, hostArray, QuintetError, Random, seedFor } from '../tensor/index.js';
import { type Checks, checkAll, isNumber, samplingChecks } from './check-options.js';
import { compile } from './compile.js';
import { specialId } from './defaults.js';
import { checkFinite } from './generate.js';
import { guided } from './guidance.js';
import type { LanguageEnds } from './language-graph.js';
import { LanguageSession } from './language-session.js';
import type { Model } from './model.js';
import { realTokens } from './prompt.js';
import { choose, type SamplingOptions } from './sample.js';
import { ScoreAdjuster } from './score-adjuster.js';

export interface DrawOptions extends SamplingOptions {
  /** How far scores go beyond those without the prompt's words; 1 for not; default what the model's files say, or 5. */
  readonly guidance?: number;
  /** Of the draws; default 0. Each picture draws on its own. */
  readonly seed?: number;
  /** After each code of all the pictures. */
  onProgress?(progress: { readonly done: number; readonly total: number }): void;
  readonly signal?: AbortSignal;
}

const checks = {
  ...samplingChecks,
  guidance: [isNumber(Number.isFinite), 'a number'],
  onProgress: [(value) => typeof value === 'function', 'a function'],
} satisfies Checks<DrawOptions>;

/** What draws pictures with a model. */
export class Drawer {
  #decoder: Promise<Session> | undefined;

  private constructor(
    readonly model: Model<System>,
    readonly codes: PictureCodes,
    private readonly language: LanguageSession,
  ) {}

  static async open(model: Model<System>): Promise<Drawer> {
    const { network } = model;
    const codes = network.outputs.image;
    if (codes?.kind !== 'codes') {
      throw new QuintetError('unsupported', 'this model draws no pictures', {
        at: network.name,
        hint: 'Janus, GILL and Stable Diffusion do',
      });
    }
    return new Drawer(model, codes, await LanguageSession.open(model, codeEnds(network, codes)));
  }

  /**
   * Prompts, each ending with the token that begins a picture -> codes i64 [B, N]. Greedy without a temperature. Throws
   * 'config' at options that mean nothing.
   */
  async draw(prompts: readonly (readonly number[])[], options: DrawOptions = {}): Promise<HostArray> {
    checkAll(options, checks, { at: 'drawing', ids: this.codes.codes });
    const { guidance = publishedGuidance(this.model), seed = 0, onProgress, signal } = options;
    const { count } = this.codes;
    const { vocab } = this.model.network.backbone.part;
    const rows = prompts.map((_, row) => ({
      drawn: [] as number[],
      adjuster: new ScoreAdjuster([], options),
      random: new Random(seedFor(seed, row)),
    }));
    const guides = guidance !== 1;
    let next = guides ? [...prompts, ...prompts.map((prompt) => wordless(this.model, prompt))] : prompts;
    const cache = this.language.start(next.length, Math.max(...prompts.map((prompt) => prompt.length)) + count - 1);
    for (let done = 1; done <= count; done++) {
      const scores = rowsOf(await this.language.step(cache, { ids: next, signal }));
      const chosen = rows.map(({ drawn, adjuster, random }, row) => {
        const own = scores[row] as Float32Array;
        const all = guides ? guided(own, scores[row + rows.length] as Float32Array, guidance) : own;
        const id = choose(all, options, adjuster, random);
        checkFinite(all[id] as number, done);
        drawn.push(id);
        adjuster.push(id);
        return [vocab + id];
      });
      next = guides ? [...chosen, ...chosen] : chosen;
      onProgress?.({ done, total: count });
    }
    return hostArray(
      'i64',
      [rows.length, count],
      rows.flatMap(({ drawn }) => drawn),
    );
  }

  /** Codes [B, N] -> pictures f32 [B, height, width, 3] between about -1 and 1 */
  async show(codes: HostArray, signal?: AbortSignal): Promise<HostArray> {
    this.#decoder ??= compile(this.model, `${this.model.network.name} decoder`, (p) => ({
      pictures: this.codes.decode(p, this.codes.lookUp(p, input('codes', 'i64', ['B', this.codes.count]))),
    }));
    const { pictures } = await (await this.#decoder).run({ codes }, signal ? { signal } : {});
    return pictures as HostArray;
  }

  close(): Promise<void> {
    return closeAll(this.language, this.#decoder);
  }
}

/**
 * What a model draws behind input_ids [B, T] with their attention_mask, as a reference implementation's `generate` gives it:
 * `image_sequences`, codes [B, N], and `decoded_generated`, pictures [B, height, width, 3].
 */
export async function drawTokens(
  model: Model<System>,
  given: HostArrays,
  options: DrawOptions = {},
): Promise<{ readonly image_sequences: HostArray; readonly decoded_generated: HostArray }> {
  const drawer = await Drawer.open(model);
  try {
    const codes = await drawer.draw(realTokens(given), options);
    return { image_sequences: codes, decoded_generated: await drawer.show(codes, options.signal) };
  } finally {
    await drawer.close();
  }
}

/** Ids below V are words; those from V on are codes. */
function codeEnds({ backbone: { part, prefix } }: System, codes: PictureCodes): LanguageEnds {
  return {
    ids: part.vocab + codes.codes,
    embed(p, ids): Tensor {
      const words = part.embed(p.at(prefix), minimum(ids, part.vocab - 1));
      const drawn = codes.embed(p, maximum(sub(ids, part.vocab), 0), part.width);
      return where(unsqueeze(less(ids, part.vocab), 2), words, drawn);
    },
    score: (p, hidden) => codes.score(p, hidden),
  };
}

/** A prompt that says nothing but that a picture begins: padding in place of words. */
function wordless(model: Model<System>, prompt: readonly number[]): number[] {
  const pad = specialId(model, 'pad_token_id');
  if (pad === undefined) {
    throw new QuintetError('config', 'guidance needs a padding token', {
      at: 'generation_config.json: pad_token_id',
      hint: 'a guidance of 1 goes without',
    });
  }
  const kept = [specialId(model, 'bos_token_id'), prompt.at(-1)];
  return prompt.map((id) => (kept.includes(id) ? id : pad));
}

function publishedGuidance({ files }: Model): number {
  return fields(files?.generationConfig ?? {}, 'generation_config.json').number('guidance_scale', 5);
}

function rowsOf({ shape, data }: HostArray): Float32Array[] {
  const [rows, width] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => (data as Float32Array).subarray(row * width, (row + 1) * width));
}
