/** What a benchmark is, and who takes part in one. */

import type { Child } from './child.js';
import type { Measure } from './statistics.js';

type ProgramName =
  | 'quintet'
  | 'quintet-talk'
  | 'quintet-train'
  | 'quintet-run'
  | 'torch'
  | 'llama-cpp'
  | 'transformers-js'
  | 'sharp'
  | 'file';

/** What a contender is, in its own process. */
export interface Contender {
  readonly name: string;
  /** The module of `contenders/` that knows it. */
  readonly program: ProgramName;
  /** The package of `bench/package.json` that it needs, if any. */
  readonly needs?: string;
  readonly settings: Settings;
  /** Further environment variables of its process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a program opens, and how. */
export interface Settings {
  /** A model: a file or a folder. */
  readonly path?: string;
  /** Of a model of Quintet's: how its weights are held. */
  readonly weights?: 'auto' | 'f32' | 'int8' | 'int4';
  /** Of the same: how keys and values are held. */
  readonly kvCache?: 'f32' | 'int8';
  readonly dtype?: 'q4' | 'fp32';
  readonly flashAttention?: boolean;
  readonly threads: number;
  /** Tokens that a conversation has room for. */
  readonly capacity?: number;
  readonly training?: TrainingSettings;
}

export interface TrainingSettings {
  /** `lora-pages` learns real text; `projector-kept` reads what the encoder saw from the disk. */
  readonly work: 'lora' | 'lora-pages' | 'gpt' | 'projector' | 'projector-kept';
  /** Quintet's: how frozen weights are held, and whether blocks are computed again for their gradients. */
  readonly frozen?: 'int8' | 'nf4' | 'blocks';
  readonly recompute?: boolean;
  /** PyTorch's: the type that products are computed in. */
  readonly autocast?: 'bf16';
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  /** What is measured, and how. */
  readonly about: string;
  readonly contenders: readonly Contender[];
  readonly measures: readonly Measure[];
  /** Contenders whose ratio is of interest: ours, theirs. */
  readonly pairs: readonly (readonly [ours: string, theirs: string])[];
  /** Whether processes may have real-time priority; default true. */
  readonly realtime?: boolean;
  /** Whether one round is enough, without another to warm up; default false. */
  readonly once?: boolean;
  /** One turn: the values of some measures. A process serves one turn only, or those of all rounds. */
  readonly turn:
    | { readonly kind: 'kept'; take(child: Child): Promise<Record<string, number>> }
    | { readonly kind: 'fresh'; take(contender: Contender, start: Start): Promise<Record<string, number>> };
}

/** Starts a process for a contender; what it is given beside is added to its environment. */
export type Start = (contender: Contender, environment?: Readonly<Record<string, string>>) => Child;
