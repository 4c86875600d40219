/**
 * Pictures from latent diffusion: sessions for the three networks, and the loop between noise and picture.
 *
 * B pictures, C latent channels, h w size of latents, T length of the condition, D its width
 */
import type { FolderFiles } from '../checkpoint/index.js';
import { add, clip, div, input, type Tensor } from '../graph/index.js';
import type { Params } from '../nn/index.js';
import type { Session } from '../runtime/engine.js';
import type { LatentDiffusionParts, Network } from '../system/index.js';
import {
  concatRows,
  fields,
  type HostArray,
  hostArray,
  QuintetError,
  Random,
  seedFor,
  sizeOf,
} from '../tensor/index.js';
import { clipTokenizer, createTokenizer, type Tokenizer } from '../text/index.js';
import { type Compiler, compile } from './compile.js';
import { cutText, longestText } from './cut-text.js';
import { guided } from './guidance.js';
import { Opened } from './opened.js';

type Latents = Float32Array<ArrayBuffer>;

/** The networks of a generator, wherever it is mounted. */
export type Generator = Pick<LatentDiffusionParts, 'text' | 'denoiser' | 'autoencoder' | 'sampling'>;

export interface PaintOptions {
  /** What to show: states [B, T, D]. */
  readonly condition: HostArray;
  /** What it is guided away from, usually the states of an empty text: [B, T, D]. Without it there is no guidance. */
  readonly against?: HostArray | undefined;
  /** How far the prediction goes beyond that of `against`; default 7.5. */
  readonly guidance?: number;
  /** Default 50. */
  readonly steps?: number;
  /** Another way of sampling than the published one, by diffusers' name. */
  readonly scheduler?: string;
  /** How much of the noise of DDPM is added by DDIM, from 0 (default) to 1. */
  readonly eta?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Standard normal numbers in place of those of the seed: the first draw is what the picture starts from. */
  noise?(draw: number, size: number): ArrayLike<number>;
  /** After each call of the denoiser; `latents` [B, C, h, w] are valid until the next one. */
  onStep?(progress: { readonly call: number; readonly calls: number; readonly latents: HostArray }): void;
  readonly signal?: AbortSignal;
}

type Task = 'read' | 'predict' | 'show';

export interface PainterOptions {
  /** Below which the generator's parameters are; default they are all there is. */
  readonly prefix?: string;
  /** In pixels; default as it was trained. */
  readonly size?: readonly [height: number, width: number];
}

/** A generator with a session for each of its networks, opened when it is first needed, for pictures of one size. */
export class Painter {
  readonly #compiler: Compiler;
  readonly #generator: Generator;
  readonly #prefix: string;
  readonly #shape: LatentShape;
  readonly #sessions = new Opened<Task, Session>((session) => session.close());

  constructor(compiler: Compiler, generator: Generator, { prefix = '', size }: PainterOptions = {}) {
    const { denoiser, autoencoder } = generator;
    const { channels, shrinking } = autoencoder.part;
    const trained = denoiser.part.size * shrinking;
    const [height, width] = size ?? [trained, trained];
    this.#compiler = compiler;
    this.#generator = generator;
    this.#prefix = prefix;
    this.#shape = [channels, latentSize(height, shrinking), latentSize(width, shrinking)];
  }

  #session(task: Task): Promise<Session> {
    const build = (p: Params) => tasks[task](this.#generator, p.at(this.#prefix), this.#shape);
    const name = this.#prefix ? `${this.#prefix}.${task}` : task;
    return this.#sessions.get(task, () => compile(this.#compiler, name, build));
  }

  /** Ids [B, T] of padded texts to conditions [B, T, D]. */
  async read(ids: HostArray): Promise<HostArray> {
    const { states } = await (await this.#session('read')).run({ input_ids: ids });
    return states as HostArray;
  }

  /** Pictures [B, 3, height, width] between 0 and 1. */
  async paint(options: PaintOptions): Promise<HostArray> {
    return this.show(await this.latents(options), options.signal);
  }

  /** The latents [B, C, h, w] at the end of a generation. */
  async latents(options: PaintOptions): Promise<HostArray> {
    const { condition, against, guidance = 7.5, steps = 50, scheduler, eta = 0, signal } = options;
    const batch = condition.shape[0] as number;
    const shape = [batch, ...this.#shape];
    const sampler = this.#generator.sampling({ steps, batch, eta, ...(scheduler ? { scheduler } : {}) });
    const noise = noiseOf(options, sizeOf(shape));
    const told = against ? concatRows([against, condition]) : condition;
    const session = await this.#session('predict');
    let latents = noise().map((x) => x * sampler.start);
    for (const [call, time] of sampler.times.entries()) {
      const shown: HostArray = { dtype: 'f32', shape, data: sampler.shown(call, latents) };
      const feeds = { ...denoiserFeeds(shown, time, told), encoder_hidden_states: told };
      const { predicted } = await session.run(feeds, signal ? { signal } : {});
      const answer = predicted?.data as Latents;
      latents = sampler.step(call, against ? guidedBy(answer, guidance) : answer, latents, noise);
      checkFinite(latents, `the latents of step ${call + 1}`);
      const progress = { call, calls: sampler.times.length, latents: { dtype: 'f32', shape, data: latents } } as const;
      options.onStep?.(progress);
    }
    return { dtype: 'f32', shape, data: latents };
  }

  /** Latents [B, C, h, w] as pictures [B, 3, height, width] between 0 and 1. */
  async show(latents: HostArray, signal?: AbortSignal): Promise<HostArray> {
    const { picture } = await (await this.#session('show')).run({ latents }, signal ? { signal } : {});
    checkFinite(picture?.data as Latents, 'the numbers of the picture');
    return picture as HostArray;
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }
}

/** Refuses what would be painted black. */
function checkFinite(values: Latents, what: string): void {
  if (values.every(Number.isFinite)) return;
  throw new QuintetError('numeric', `${what} are not finite`, { hint: 'the weights may be damaged' });
}

/** The latents once for each condition that is told. */
function denoiserFeeds(shown: HostArray, time: number, told: HostArray): Record<string, HostArray> {
  const rows = told.shape[0] as number;
  const copies = Array.from({ length: rows / (shown.shape[0] as number) }, () => shown);
  return { sample: concatRows(copies), timestep: hostArray('f32', [rows], new Float32Array(rows).fill(time)) };
}

/** Answers to `against` and to the condition, one after the other. */
function guidedBy(answers: Latents, guidance: number): Latents {
  const half = answers.length / 2;
  return guided(answers.subarray(half), answers.subarray(0, half), guidance);
}

function latentSize(pixels: number, shrinking: number): number {
  if (Number.isInteger(pixels) && pixels > 0 && pixels % shrinking === 0) return pixels / shrinking;
  throw new QuintetError('config', `a picture of ${pixels} pixels; multiples of ${shrinking} are possible`);
}

/** Each draw of standard normal numbers after the other. */
function noiseOf({ seed = 0, noise }: PaintOptions, size: number): () => Latents {
  const random = new Random(seedFor(seed, 'paint'));
  let draw = 0;
  return () => {
    if (noise) return Float32Array.from(noise(draw++, size));
    return new Float32Array(size).map(() => random.normal());
  };
}

type LatentShape = readonly [channels: number, height: number, width: number];

/** What each session computes. */
const tasks = {
  read({ text }, p) {
    const ids = input('input_ids', 'i64', ['B', 'L']);
    return { states: text.part.forward(p.at(text.prefix), { input_ids: ids }).last };
  },
  predict({ denoiser: { part, prefix } }, p, [, height, width]) {
    const noisy = input('sample', 'f32', ['B', part.inputs, height, width]);
    const condition = input('encoder_hidden_states', 'f32', ['B', 'T', part.condition]);
    return { predicted: part.forward(p.at(prefix), noisy, input('timestep', 'f32', ['B']), condition) };
  },
  show({ autoencoder: { part, prefix } }, p, shape) {
    const latents = input('latents', 'f32', ['B', ...shape]);
    const decoded = part.decode(p.at(prefix), add(div(latents, part.scale), part.shift));
    return { picture: clip(add(div(decoded, 2), 0.5), 0, 1) };
  },
} as const satisfies Record<Task, (generator: Generator, p: Params, shape: LatentShape) => Record<string, Tensor>>;

/**
 * Texts as a text encoder of latent diffusion takes them: ids [B, T], each cut or padded to the model's length with its
 * tokenizer's padding, which is read like words.
 */
export function captionReader(
  files: FolderFiles,
  network: Pick<Network, 'context'>,
): (texts: readonly string[]) => HostArray {
  const settings = fields(files.tokenizerConfig ?? {}, 'tokenizer_config.json');
  const tokenizer = captionTokenizer(files);
  const length = longestText(settings, network, 77);
  return (texts) => {
    const rows = texts.flatMap((text) => {
      const kept = cutText(tokenizer.encode(text, { special: true }), length);
      return [...kept, ...new Array<number>(length - kept.length).fill(tokenizer.special.pad ?? kept.at(-1) ?? 0)];
    });
    return hostArray('i64', [texts.length, length], rows);
  };
}

function captionTokenizer({ tokenizer, tokenizerConfig, vocabulary }: FolderFiles): Tokenizer {
  if (tokenizer) return createTokenizer(tokenizer, tokenizerConfig);
  if (vocabulary) return clipTokenizer(vocabulary, tokenizerConfig);
  throw new QuintetError('not-found', 'neither tokenizer.json nor vocab.json and merges.txt');
}

export { isLatentDiffusion } from '../system/index.js';
