/**
 * The reading half of an encoder-decoder, ready to run: prompts become the keys and values that the writing half looks at.
 *
 * B rows, T tokens, F features of pictures, D width
 */
import { input } from '../graph/index.js';
import type { Session } from '../runtime/engine.js';
import { embed, encoderOf, makeMemory, memoryPresent, type System } from '../system/index.js';
import { type HostArray, hostArray } from '../tensor/index.js';
import { compile } from './compile.js';
import { nothingSeen } from './language-graph.js';
import type { Model } from './model.js';

export interface ReadingOptions {
  /** [F, D] for all rows in order. */
  readonly features?: HostArray | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class ReadingSession {
  private constructor(
    readonly model: Model<System>,
    private readonly session: Session,
  ) {}

  static async open(model: Model<System>): Promise<ReadingSession> {
    const { network } = model;
    const { part, prefix } = network.backbone;
    const session = await compile(model, `${network.name} reading`, (p) => {
      const [ids, present] = [input('ids', 'i64', ['B', 'T']), input(memoryPresent, 'i64', ['B', 'T'])];
      const features = network.image ? input('features', 'f32', ['F', part.width]) : undefined;
      const at = p.at(prefix);
      const states = encoderOf(part).encode(at, embed(network, p, ids, features), present);
      return makeMemory(part, at, states);
    });
    return new ReadingSession(model, session);
  }

  /** What the writing half is fed for prompts, by name. */
  async read(
    prompts: readonly (readonly number[])[],
    { features, signal }: ReadingOptions,
  ): Promise<Readonly<Record<string, HostArray>>> {
    const shape = [prompts.length, Math.max(...prompts.map((row) => row.length))];
    const table = (of: (id: number | undefined) => number): HostArray =>
      hostArray(
        'i64',
        shape,
        prompts.flatMap((row) => Array.from({ length: shape[1] as number }, (_, t) => of(row[t]))),
      );
    const present = table((id) => (id === undefined ? 0 : 1));
    const { network } = this.model;
    const seen = network.image ? { features: features ?? nothingSeen(network) } : {};
    const feeds = { ids: table((id) => id ?? 0), [memoryPresent]: present, ...seen };
    return { ...(await this.session.run(feeds, signal ? { signal } : {})), [memoryPresent]: present };
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
