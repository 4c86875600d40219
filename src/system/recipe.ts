/** A recipe: how a system of the literature is composed, its published sizes, and how its `config.json` is read. */

import { type Fields, nearest, QuintetError } from '../tensor/index.js';
import type { Network } from './network.js';

export interface RecipeParts<Config, Size extends string, Result extends Network> {
  /** As in `llava-1.5`. */
  readonly name: string;
  /** The `model_type`s of the `config.json` files that it reads. */
  readonly modelTypes: readonly string[];
  /** The `architectures` among those types that it reads; default all that no other recipe does. */
  readonly architectures?: readonly string[];
  /** Names of checkpoints on the Hugging Face hub that it reads, the smallest first. */
  readonly published?: readonly string[];
  /** Published sizes, and a `tiny` one for tests. The first is the default. */
  readonly sizes: Readonly<Record<Size, NoInfer<Config>>>;
  build(config: Config, name: string): Result;
  /** `names` are those of the tensors beside the configuration, where they are known. */
  read(config: Fields, names?: Iterable<string>): Config;
}

/** A recipe as a list of many holds it. */
export interface AnyRecipe {
  readonly name: string;
  readonly modelTypes: readonly string[];
  readonly architectures?: readonly string[];
  readonly published: readonly string[];
  readonly sizes: readonly string[];
  /** The system of a published size; default the first. */
  of(size?: string): Network;
  /** The system that a published `config.json` describes. */
  fromConfig(config: Fields, names?: Iterable<string>): Network;
}

/** Called with a size, a recipe gives that system. */
export interface Recipe<Size extends string = string, Result extends Network = Network> extends AnyRecipe {
  (size?: Size): Result;
  readonly sizes: readonly Size[];
  of(size?: string): Result;
  fromConfig(config: Fields, names?: Iterable<string>): Result;
}

export function recipe<Config, Size extends string, Result extends Network>({
  name,
  modelTypes,
  architectures,
  published = [],
  sizes,
  build,
  read,
}: RecipeParts<Config, Size, Result>): Recipe<Size, Result> {
  const known = Object.keys(sizes) as Size[];
  const of = (size: string = known[0] as Size): Result => {
    if (Object.hasOwn(sizes, size)) return build(sizes[size as Size], `${name}-${size}`);
    const guess = nearest(size, known);
    throw new QuintetError('name', `${name} has no size "${size}"${guess ? `; did you mean "${guess}"?` : ''}`, {
      hint: `sizes: ${known.join(', ')}`,
    });
  };
  const made = (size?: Size): Result => of(size);
  // A function's own name is read-only to assignment.
  Object.defineProperty(made, 'name', { value: name });
  return Object.assign(made, {
    modelTypes,
    ...(architectures ? { architectures } : {}),
    published,
    sizes: known,
    of,
    fromConfig: (config: Fields, names?: Iterable<string>) => build(read(config, names), name),
  });
}
