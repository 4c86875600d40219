/**
 * The reading half of an encoder-decoder, ready to run: prompts become the keys and values that the writing half looks at.
 *
 * B rows, T tokens, F features of pictures, D width
 */
import type { Session } from '../runtime/engine.js';
import { memoryPresent, type System } from '../system/index.js';
import { type HostArray, hostArray } from '../tensor/index.js';
import { compile, type Packed } from './compile.js';
import { nothingSeen, readingGraph } from './language-graph.js';
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

  static async open(model: Model<System>, packed?: Packed): Promise<ReadingSession> {
    const { network } = model;
    const session = await compile(model, `${network.name} reading`, (p) => readingGraph(network, p), packed);
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
