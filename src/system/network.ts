/** What anything with weights is: a pure function from named tensors to named tensors over a parameter scope. */

import { input, type Tensor } from '../graph/index.js';
import { type Declaration, type Glob, type Params, rootScope } from '../nn/index.js';
import { type DType, type HostArray, type Shape, sizeOf } from '../tensor/index.js';
import type { Stage } from './stage.js';

export type Tensors = Readonly<Record<string, Tensor>>;
export type HostArrays = Readonly<Record<string, HostArray>>;

export interface InputType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Other names under which checkpoints hold the parameters: prefixes, ours and theirs; the first that fits is replaced. */
export type Renames = readonly (readonly [ours: string, theirs: string])[];

/** Of files that have a language model's head at their root and all else of it elsewhere, as transformers 5 writes them. */
export const headAtRoot = (ours: string, theirs: string): Renames => [
  [`${ours}.model`, theirs],
  [`${ours}.lm_head`, 'lm_head'],
];

export interface Network {
  readonly name: string;
  /** Where it was published, such as `arXiv:2304.08485`. */
  readonly paper?: string;
  /** What `forward` may be given, under Hugging Face's argument names. */
  readonly inputs: Readonly<Record<string, InputType>>;
  /** Names by which files call some of the inputs: theirs and ours. Such files have arguments of other networks beside them. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Axes whose sizes in `inputs` are only those that it was trained at: given tensors may have others. */
  readonly openAxes?: Readonly<Record<string, readonly number[]>>;
  /** The longest text that it reads, in tokens; default any. */
  readonly context?: number | undefined;
  /** Inputs of networks that have nothing to do with each other: what the letters stand for is each group's own. */
  readonly groups?: readonly (readonly string[])[];
  /** Named outputs of some of the inputs; what needs an input that is not there is left out. */
  forward(p: Params, inputs: Tensors): Tensors;
  /** Whether scores [B, T, V] are of the labels [B, T] at their own places, not of the next ones. */
  readonly ownPlaces?: boolean;
  /** What the graph is fed for given arguments, where that is not the arguments themselves. */
  prepare?(feeds: HostArrays): HostArrays;
  /** Outputs that mean nothing for given arguments by their sizes, which in the graph are letters. */
  meaningless?(feeds: HostArrays): readonly string[];
  /** Ways in which files name the parameters, besides our own names; the first is the one that transformers has in memory. */
  readonly renames?: readonly Renames[];
  /** How it was trained, stage by stage. */
  readonly stages?: readonly Stage[];
  /** Tensors of published files that are no parameters. */
  readonly buffers?: readonly Glob[];
}

/** The parameters that a network declares when it is given all of its inputs. */
export function declarationsOf(
  network: Network,
  adapt: (p: Params) => Params = (p) => p,
): ReadonlyMap<string, Declaration> {
  const { p, declarations } = rootScope();
  network.forward(adapt(p), inputTensors(network.inputs));
  return declarations;
}

/** Graph inputs of the given types. */
export function inputTensors(types: Readonly<Record<string, InputType>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(types).map(([name, { dtype, shape }]) => [name, input(name, dtype, shape)]));
}

/** How many numbers parameters hold. */
export function parameterCount(declarations: Iterable<Declaration>): number {
  let count = 0;
  for (const { shape } of declarations) count += sizeOf(shape);
  return count;
}

/** A parameter's name in a file that names them otherwise. */
export function rename(name: string, renames: Renames): string {
  for (const [ours, theirs] of renames) {
    if (name === ours) return theirs;
    if (name.startsWith(`${ours}.`)) {
      const rest = name.slice(ours.length + 1);
      return theirs === '' ? rest : `${theirs}.${rest}`;
    }
    if (ours === '') return theirs === '' ? name : `${theirs}.${name}`;
  }
  return name;
}
