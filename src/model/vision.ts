/** Pictures to features, a picture once: what was seen last is remembered. */

import { flatten } from '../graph/index.js';
import { type Picture, type PictureLayout, pictureKeyInParts } from '../media/index.js';
import type { Params } from '../nn/index.js';
import type { Session } from '../runtime/engine.js';
import {
  type HostArrays,
  imageFeatures,
  inputTensors,
  pictureInputs,
  type System,
  type Tensors,
} from '../system/index.js';
import { type HostArray, inTurns, QuintetError } from '../tensor/index.js';
import { compile } from './compile.js';
import type { Model } from './model.js';
import type { Processor } from './prompt.js';

export interface SeenPicture {
  readonly layout: PictureLayout;
  /** [F, D] */
  readonly features: HostArray;
}

/** Features beyond this many bytes are forgotten, the longest unused first; those of the last picture are always kept. */
const mostBytes = 2 ** 28;

interface Remembered {
  readonly seeing: Promise<SeenPicture>;
  /** Of the features; 0 until they are there. */
  bytes: number;
}

/** The features [F, D] of a network's pictures. */
export const pictureFeatures = (network: System, p: Params): Tensors => ({
  features: flatten(imageFeatures(network, p, inputTensors(pictureInputs(network))), 0, 1),
});

export class VisionSession {
  /** By what the pictures show; the one seen last stands last. */
  readonly #seen = new Map<string, Remembered>();

  private constructor(
    private readonly model: Model<System>,
    private readonly session: Session,
  ) {}

  static async open(model: Model<System>): Promise<VisionSession> {
    const { network } = model;
    const session = await compile(model, `${network.name} vision`, (p) => pictureFeatures(network, p));
    return new VisionSession(model, session);
  }

  /** A picture as the model's processor prepares it. */
  async see(picture: Picture, processor: Processor, signal?: AbortSignal): Promise<SeenPicture> {
    const key = await inTurns(pictureKeyInParts(picture), signal);
    const known = this.#seen.get(key);
    if (!known) return this.#remember(key, { seeing: this.#look(picture, processor, signal), bytes: 0 });
    try {
      return await this.#remember(key, known);
    } catch (error) {
      // Whoever asked first has stopped it: that is nothing to who asks now.
      const stopped = error instanceof QuintetError && error.code === 'aborted';
      if (!stopped || signal?.aborted) throw error;
      return this.see(picture, processor, signal);
    }
  }

  async #remember(key: string, remembered: Remembered): Promise<SeenPicture> {
    // To be put last.
    this.#seen.delete(key);
    this.#seen.set(key, remembered);
    try {
      const seen = await remembered.seeing;
      remembered.bytes = seen.features.data.byteLength;
      this.#forget();
      return seen;
    } catch (error) {
      // What failed or was cancelled is tried again.
      if (this.#seen.get(key) === remembered) this.#seen.delete(key);
      throw error;
    }
  }

  #forget(): void {
    let newer = 0;
    for (const [key, { bytes }] of [...this.#seen].reverse()) {
      if (newer > 0 && newer + bytes > mostBytes) this.#seen.delete(key);
      newer += bytes;
    }
  }

  async #look(picture: Picture, processor: Processor, signal: AbortSignal | undefined): Promise<SeenPicture> {
    const { tensors, layouts } = await inTurns(processor.pixelsInParts([[picture]]), signal);
    const layout = layouts[0]?.[0] as PictureLayout;
    const features = await this.run(tensors, signal);
    return { layout, features };
  }

  /** Pixel tensors under Hugging Face's names -> features [F, D]. */
  async run(tensors: HostArrays, signal?: AbortSignal): Promise<HostArray> {
    const { prepare } = this.model.network;
    const feeds = prepare ? prepare(tensors) : tensors;
    const used = Object.fromEntries(this.session.inputs.map((name) => [name, feeds[name] as HostArray]));
    const { features } = await this.session.run(used, signal ? { signal } : {});
    return features as HostArray;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
