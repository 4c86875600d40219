/**
 * Scores of a row's next token, changed by what the row holds so far and put back after the choice: a vocabulary is too large
 * to be copied for each token.
 */

import { type Allowed, largest, type SamplingOptions } from './sample.js';

export class ScoreAdjuster {
  readonly #biases: readonly (readonly [id: number, bias: number])[];
  /** Tokens of prompt and answer, where they are penalised. */
  readonly #seen = new Set<number>();
  /** How often the answer has each of its tokens. */
  readonly #counts = new Map<number, number>();
  /** By all tokens of an n-gram but the last: those that were the last. */
  readonly #completions = new Map<string, Set<number>>();
  /** The newest tokens, one fewer than an n-gram has, and what came behind them before. */
  readonly #newest: number[] = [];
  #completing: Set<number> | undefined;
  /** Changes that were made, oldest first; kept as they are for the next token. */
  readonly #ids: number[] = [];
  readonly #scores: number[] = [];
  #changes = 0;

  constructor(
    prompt: readonly number[],
    private readonly options: SamplingOptions,
  ) {
    this.#biases = Object.entries(options.logitBias ?? {}).map(([id, bias]) => [Number(id), bias] as const);
    this.#lookUp();
    for (const id of prompt) this.#read(id);
  }

  /** Adds a token of the answer. */
  push(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    this.#read(id);
  }

  /** In the order of transformers' processors; penalties of presence and frequency come where vLLM has them. */
  change(scores: Float32Array, allowed?: Allowed): void {
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = this.options;
    const scoreOf = (id: number): number => scores[id] as number;
    for (const [id, bias] of this.#biases) this.#set(scores, id, scoreOf(id) + bias);
    for (const id of this.#seen) {
      const score = scoreOf(id);
      this.#set(scores, id, score > 0 ? score / repetitionPenalty : score * repetitionPenalty);
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [id, count] of this.#counts)
        this.#set(scores, id, scoreOf(id) - count * frequencyPenalty - presencePenalty);
    }
    const before = this.#changes;
    for (const id of this.#completing ?? []) this.#set(scores, id, Number.NEGATIVE_INFINITY);
    // Where a form leaves nothing else, what it asks for may come again.
    const isAny = this.#changes > before;
    if (isAny && scores[largest(scores, allowed)] === Number.NEGATIVE_INFINITY) this.restore(scores, before);
  }

  /** Takes back all changes but the first `kept`. */
  restore(scores: Float32Array, kept = 0): void {
    while (this.#changes > kept) {
      this.#changes--;
      scores[this.#ids[this.#changes] as number] = this.#scores[this.#changes] as number;
    }
  }

  /** Ids without a score, such as those of pictures in a prompt, are left out. */
  #set(scores: Float32Array, id: number, score: number): void {
    const before = scores[id];
    if (before === undefined) return;
    this.#ids[this.#changes] = id;
    this.#scores[this.#changes++] = before;
    scores[id] = score;
  }

  #read(id: number): void {
    const { repetitionPenalty = 1, noRepeatNgram = 0 } = this.options;
    if (repetitionPenalty !== 1) this.#seen.add(id);
    if (noRepeatNgram === 0) return;
    this.#completing?.add(id);
    this.#newest.push(id);
    if (this.#newest.length >= noRepeatNgram) this.#newest.shift();
    this.#lookUp();
  }

  /** Finds what came behind the newest tokens; where an n-gram is a single one, that is known before there is any. */
  #lookUp(): void {
    if (this.#newest.length !== (this.options.noRepeatNgram ?? 0) - 1) return;
    const key = this.#newest.join();
    this.#completing = this.#completions.get(key) ?? new Set();
    this.#completions.set(key, this.#completing);
  }
}
