/** A group over MPI. Messages are begun, and asked after between other events until they are there: nothing blocks. */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { isRunning, ownProcess, type Process } from '../machine/process.js';
import { type ErrorCode, QuintetError } from '../tensor/index.js';
import type { ProcessGroup } from './group.js';
import { inPlace, type MpiApi, startMpi } from './mpi-api.js';

/** Bytes that are summed or copied at once: few enough for the cache; 64 MiB are summed in 30 ms on one machine. */
const bucketBytes = 4 * 2 ** 20;
/** Buckets under way: while the numbers of one are added up, those of the next one travel. */
const bucketsUnderWay = 2;
/** How often a message is asked after in each turn of the event loop, before that is done every millisecond. */
const eagerTurns = 1000;
/** Milliseconds between two looks at whether the others live. */
const lookEvery = 250;
/** Milliseconds that the process that speaks may take before it ends the others. */
const longestFarewell = 60_000;

export interface MpiOptions {
  /** Seconds to wait for a process that is silent; default 1800. */
  readonly patience?: number;
}

/** What a process gives in a `gather`. */
type Message = { readonly value: unknown } | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/** Something begun. */
interface Pending {
  readonly request: BigUint64Array;
  /** The process that it is of; absent where it is of all. */
  readonly rank?: number;
}

/** Joins the processes that mpirun has started. */
export async function openMpiGroup({ patience = 1800 }: MpiOptions = {}): Promise<MpiGroup> {
  const group = new MpiGroup(startMpi(), patience);
  await group.meet();
  return group;
}

export class MpiGroup implements ProcessGroup {
  /** By rank; empty until they have met. */
  #peers: readonly Process[] = [];
  /** Memory that messages under way read and write: only this keeps it from being collected. */
  readonly #buffers = new Set<unknown>();
  /** Why nothing is agreed upon any more. */
  #end: QuintetError | undefined;
  /** Those that have died or stay silent. */
  readonly #lost = new Set<number>();

  constructor(
    private readonly api: MpiApi,
    private readonly patience: number,
  ) {}

  get rank(): number {
    return this.api.rank;
  }

  get size(): number {
    return this.api.size;
  }

  /** Whether it is this process that tells what happens to all: the first one that is still there. */
  get speaks(): boolean {
    return this.#ranks().find((rank) => !this.#lost.has(rank)) === this.rank;
  }

  /** Lets the processes know of each other. */
  async meet(): Promise<void> {
    this.#peers = await this.gather(ownProcess());
  }

  async gather<T>(own: T): Promise<readonly T[]> {
    const messages = await this.#exchange({ value: own });
    this.#requireValues(messages);
    return messages.map((message) => (message as { readonly value: T }).value);
  }

  /** Tells the others, in the `gather` that they come to next, that this process goes no further. Returns what all throw. */
  async fail(error: unknown): Promise<unknown> {
    if (this.#end) return this.#end;
    const { code, message } = error instanceof QuintetError ? error : { code: 'io' as const, message: String(error) };
    try {
      this.#requireValues(await this.#exchange({ error: { code, message } }), error);
      return error;
    } catch (agreed) {
      return agreed;
    }
  }

  async sum(numbers: Float32Array): Promise<void> {
    const { float, sum, world } = this.api;
    await this.#inBuckets(numbers, (bucket, request) =>
      this.api.call('MPI_Iallreduce', inPlace, bucket, bucket.length, float, sum, world, request),
    );
  }

  async broadcast(bytes: Uint8Array): Promise<void> {
    const { byte, world } = this.api;
    await this.#inBuckets(bytes, (bucket, request) =>
      this.api.call('MPI_Ibcast', bucket, bucket.length, byte, 0, world, request),
    );
  }

  /** Leaves the others: at the same time as they do or, where one of them is lost, by ending them all and this process. */
  async close(): Promise<void> {
    if (this.#lost.size === 0) return this.api.call('MPI_Finalize');
    // The one that speaks may still have to save what was reached; what it does then ends this process too.
    if (!this.speaks) await sleep(longestFarewell);
    this.api.call('MPI_Abort', this.api.world, 1);
  }

  #ranks(): number[] {
    return Array.from({ length: this.size }, (_, rank) => rank);
  }

  /** Throws the error of the first process that has failed. */
  #requireValues(messages: readonly Message[], cause?: unknown): void {
    const failed = messages.flatMap((message, rank) => ('error' in message ? [{ rank, ...message.error }] : []));
    const [first] = failed;
    if (!first) return;
    // What all of them found is nobody's own.
    const shared = failed.length === this.size && failed.every(({ message }) => message === first.message);
    const message = shared ? first.message : `${this.#nameOf(first.rank)}: ${first.message}`;
    this.#end = new QuintetError(first.code, message, cause === undefined ? {} : { cause });
    throw this.#end;
  }

  /** What each process sends, by rank. */
  async #exchange(message: Message): Promise<Message[]> {
    const { byte, world } = this.api;
    const own = serialize(message);
    const lengths = await this.#lengths(own.length);
    const offsets = new Int32Array(new ArrayBuffer(lengths.byteLength));
    for (let rank = 1; rank < this.size; rank++) {
      offsets[rank] = (offsets[rank - 1] as number) + (lengths[rank - 1] as number);
    }
    const all = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
    const request = requestOf();
    await this.#holding([own, lengths, offsets, all], async () => {
      const { length } = own;
      this.api.call('MPI_Iallgatherv', own, length, byte, all, lengths, offsets, byte, world, request);
      await this.#complete([{ request }]);
    });
    return this.#ranks().map((rank) => {
      const from = offsets[rank] as number;
      return deserialize(all.slice(from, from + (lengths[rank] as number))) as Message;
    });
  }

  /**
   * How long each process's message is. Each is a message of its own, so that it is known whose is missing; all wait here
   * for the last one.
   */
  async #lengths(own: number): Promise<Int32Array<ArrayBuffer>> {
    const { int, world } = this.api;
    const lengths = new Int32Array(new ArrayBuffer(4 * this.size)).fill(own);
    const [sent, tag] = [lengths.slice(), 0];
    await this.#holding([lengths, sent], async () => {
      const pending = this.#ranks().flatMap((rank): Pending[] => {
        if (rank === this.rank) return [];
        const [received, sending] = [requestOf(), requestOf()];
        this.api.call('MPI_Irecv', lengths.subarray(rank, rank + 1), 1, int, rank, tag, world, received);
        this.api.call('MPI_Isend', sent.subarray(rank, rank + 1), 1, int, rank, tag, world, sending);
        return [
          { request: received, rank },
          { request: sending, rank },
        ];
      });
      await this.#complete(pending, eagerTurns);
    });
    return lengths;
  }

  async #inBuckets<T extends Float32Array | Uint8Array>(
    array: T,
    begin: (bucket: T, request: BigUint64Array) => void,
  ): Promise<void> {
    const length = bucketBytes / array.BYTES_PER_ELEMENT;
    await this.#holding(array, async () => {
      const underWay: Pending[] = [];
      for (let from = 0; from < array.length; from += length) {
        if (underWay.length === bucketsUnderWay) await this.#complete(underWay.splice(0, 1));
        const request = requestOf();
        begin(array.subarray(from, from + length) as T, request);
        underWay.push({ request });
      }
      await this.#complete(underWay);
    });
  }

  async #holding(buffers: unknown, action: () => Promise<void>): Promise<void> {
    this.#buffers.add(buffers);
    await action();
    // After a failure, messages may still be under way.
    this.#buffers.delete(buffers);
  }

  /** Resolves when all is complete. Messages that may be long in coming are asked after less often after some turns. */
  async #complete(pending: readonly Pending[], eager = Number.POSITIVE_INFINITY): Promise<void> {
    let [open, looks, seen] = [pending, 0, 0];
    const watch = setInterval(() => looks++, lookEvery);
    try {
      for (let turn = 0; ; turn++) {
        open = open.filter(({ request }) => !this.api.complete(request));
        if (open.length === 0) return;
        if (looks > seen) this.#look(open, looks * lookEvery);
        seen = looks;
        await (turn < eager ? nextTurn() : sleep(1));
      }
    } finally {
      clearInterval(watch);
    }
  }

  /** Throws where a process is missed that has died, or is silent for too long. */
  #look(open: readonly Pending[], milliseconds: number): void {
    const missed = new Set(open.flatMap(({ rank }) => rank ?? this.#ranks().filter((other) => other !== this.rank)));
    const dead = [...missed].find((rank) => !this.#lives(rank));
    if (dead !== undefined) throw this.#losing([dead], 'has died');
    // Until they have met, they may still be starting.
    if (this.#peers.length === 0 || milliseconds < 1000 * this.patience) return;
    throw this.#losing([...missed], `${missed.size > 1 ? 'have' : 'has'} not answered for ${this.patience} s`);
  }

  #losing(ranks: readonly number[], what: string): QuintetError {
    for (const rank of ranks) this.#lost.add(rank);
    this.#end = new QuintetError('network', `${ranks.map((rank) => this.#nameOf(rank)).join(', ')} ${what}`, {
      hint: 'This ends all processes of the run; the same command goes on from its last checkpoint',
    });
    return this.#end;
  }

  /** Whether a process is there, as far as can be told from this machine. */
  #lives(rank: number): boolean {
    const peer = this.#peers[rank];
    return peer === undefined || isRunning(peer) !== false;
  }

  #nameOf(rank: number): string {
    const peer = this.#peers[rank];
    return `process ${rank} of ${this.size}${peer ? ` (${peer.pid} on ${peer.host})` : ''}`;
  }
}

/** Where MPI keeps the handle of what is begun; small arrays of V8's own heap would be moved. */
const requestOf = (): BigUint64Array => new BigUint64Array(new ArrayBuffer(8));
