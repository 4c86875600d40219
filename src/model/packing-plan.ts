/**
 * Which weights of a language model are held as integers, and how: planned from what the model does with each of them,
 * before any is read.
 */
import { blockFormOf, isQuantised, type StoredTensor } from '../checkpoint/index.js';
import { type Declaration, fullName, type Params, rootScope, wrapScope } from '../nn/index.js';
import { jointName, parameterCount, piecesOf, type System, type WeightForm } from '../system/index.js';
import { type BlockForm, byteSizeOf } from '../tensor/index.js';
import type { WeightsOption } from './forms.js';
import { languageSides, ownWords } from './language-graph.js';
import type { Model } from './model.js';

/** Weights that a model multiplies with the same operand, or looks up in: mostly one. */
interface Use {
  readonly names: readonly string[];
  /** Rows of each. */
  readonly rows: readonly number[];
  readonly width: number;
  /** Whether it is a table of words, or the head that scores them. */
  readonly words: boolean;
  /** Whether it is multiplied with, and not only looked up in. */
  readonly product: boolean;
  /** Whether it is stored the other way round, [width, rows]. */
  readonly inOut: boolean;
}

/** A language model, as far as a plan depends on it. */
export interface Planning {
  readonly network: System;
  /** Scope transformations: adapters. */
  readonly adapt: (p: Params) => Params;
  /** What builds all that the language side computes, each in a scope of its own. */
  readonly sides: readonly ((p: Params) => unknown)[];
  /** The element type of a parameter in its file; undefined where its value is from elsewhere, and stays as it is. */
  typeOf(name: string): StoredTensor['dtype'] | undefined;
}

export type Planned = Use & { readonly form: WeightForm };

export interface PackingPlan {
  /** For single tokens, and the words for prompts too. */
  readonly blocks: readonly Planned[];
  /** For the products of prompts; none where the blocks serve them too. */
  readonly columns: readonly Planned[];
}

/** How the weights that a model multiplies with or looks up are held; those that stay as they are are left out. */
export function planPacking(planning: Planning, option: WeightsOption): PackingPlan {
  return option === 'f32' ? { blocks: [], columns: [] } : planOf(planning, planning.typeOf, option);
}

type IntegerOption = Exclude<WeightsOption, 'f32'>;

function planOf(language: Language, typeOf: Planning['typeOf'], option: IntegerOption): PackingPlan {
  const blocks = languageUses(language).flatMap((use) => planned(typeOf, use, option));
  // The half that reads is a session of its own, of blocks: its activations are too uneven for one scale each.
  if (option === 'int4' || language.network.backbone.part.encoder) return { blocks, columns: [] };
  // Alone, since long products gain nothing from being computed at once, and taking the results apart costs a copy.
  const columns = blocks.flatMap((use) =>
    use.words
      ? []
      : use.names.map((name, i) => ({
          ...use,
          names: [name],
          rows: [use.rows[i] as number],
          form: 'columns' as const,
        })),
  );
  return { blocks, columns };
}

/** The element types of a model's parameters in its file. */
export function typesIn({ weights, declarations }: Pick<Model, 'weights' | 'declarations'>): Planning['typeOf'] {
  return (name) => {
    const declaration = declarations.get(name);
    return declaration && weights.stored(declaration)?.dtype;
  };
}

/**
 * Bytes that a model's weights take in each form: where prompts have integers of their own, both kinds; in f32 whatever
 * stays as it is.
 */
export function bytesByForm(
  network: System,
  declarations: ReadonlyMap<string, Declaration>,
  typeOf: Planning['typeOf'],
): Record<WeightsOption, number> {
  const language = { network, adapt: (p: Params) => p, sides: languageSides(network, ownWords(network)) };
  const bytesOf = (option: IntegerOption): number => {
    const { blocks, columns } = planOf(language, typeOf, option);
    const packed = new Set(blocks.flatMap(({ names }) => names));
    const rest = [...declarations.values()].filter(({ name }) => !packed.has(name));
    return [...blocks, ...columns].reduce((sum, use) => sum + layoutOf(use).length, 4 * parameterCount(rest));
  };
  return {
    f32: 4 * parameterCount(declarations.values()),
    int8: bytesOf('int8'),
    int4: bytesOf('int4'),
    auto: bytesOf('auto'),
  };
}

/** Fewer values than this are multiplied with as fast in f32. */
const fewestValues = 2 ** 14;

/** A training step. */
export interface FrozenUses {
  /** Builds it in a scope that becomes another. */
  trace(adapt: (p: Params) => Params): unknown;
  /** Whether a parameter of it learns. */
  learns(name: string): boolean;
}

/** What a stage holds the weights in that do not learn: products in eight bits, NF4, or the blocks that the file has. */
export type FrozenIntegers = 'int8' | 'nf4' | 'blocks';

/**
 * How the weights are held that a training step multiplies with and does not learn. The gradient of scores is never rounded: it
 * is all but zero for most words.
 */
export function planFrozen(
  { trace, learns }: FrozenUses,
  { typeOf, vocab, integers }: Pick<Planning, 'typeOf'> & { readonly vocab: number; readonly integers: FrozenIntegers },
): Planned[] {
  const plan = usesOf(vocab, trace).flatMap((use) =>
    use.names.flatMap((name, i): Planned[] => {
      const rows = use.rows[i] as number;
      const type = typeOf(name);
      if (learns(name) || type === undefined) return [];
      const own = { ...use, names: [name], rows: [rows] };
      if (integers === 'blocks') {
        const form = isQuantised(type) && !use.inOut ? blockFormOf(type) : undefined;
        return form && use.width % form.block === 0 ? [{ ...own, form: { ...form, whole: true } }] : [];
      }
      if (!use.product) return [];
      // Words are told apart by small differences: four bits are too few for them.
      if (integers === 'nf4') return use.words ? [] : [{ ...own, form: 'nf4' }];
      if (rows * use.width < fewestValues) return [];
      return [{ ...own, form: use.words ? 'columns and whole' : 'columns both ways' }];
    }),
  );
  // With an adapter and without, a weight is multiplied with alone and together with others.
  return [...new Map(plan.map((use) => [use.names[0], use])).values()];
}

type Language = Omit<Planning, 'typeOf'>;

const languageUses = ({ network, adapt, sides }: Language): Use[] =>
  usesOf(network.backbone.part.vocab, (noting) => {
    for (const build of sides) build(adapt(noting(rootScope().p)));
  });

/** The weights that a model multiplies with or looks up. */
function usesOf(vocab: number, trace: (noting: (p: Params) => Params) => unknown): Use[] {
  const uses = new Map<string, Use>();
  const note = (
    names: readonly string[],
    rows: readonly number[],
    width: number,
    kind: 'words' | 'other' | 'in-out' | 'table',
  ) => {
    const key = jointName(names);
    const { words = false, product = false } = uses.get(key) ?? {};
    const isWords = kind === 'words' || kind === 'table';
    uses.set(key, {
      names,
      rows,
      width,
      words: words || isWords,
      product: product || kind !== 'table',
      inOut: kind === 'in-out',
    });
  };
  const noting = (p: Params): Params =>
    wrapScope(p, (inner) => ({
      product(name, x, out, init) {
        note([fullName(inner, name)], [out], x.size(-1), out === vocab ? 'words' : 'other');
        return inner.product(name, x, out, init);
      },
      products(layers, x, init) {
        const names = layers.map(([layer]) => fullName(inner, `${layer}.weight`));
        note(
          names,
          layers.map(([, out]) => out),
          x.size(-1),
          'other',
        );
        return inner.products(layers, x, init);
      },
      inOutProduct(name, x, out, init) {
        note([fullName(inner, name)], [out], x.size(-1), 'in-out');
        return inner.inOutProduct(name, x, out, init);
      },
      rows(name, ids, table, init) {
        note([fullName(inner, name)], [table[0]], table[1], 'table');
        return inner.rows(name, ids, table, init);
      },
    }));
  trace(noting);
  return [...uses.values()];
}

/** How weights are held: together where all can be held alike, those that stay as they are left out. */
function planned(typeOf: Planning['typeOf'], use: Use, option: IntegerOption): Planned[] {
  const single = use.names.flatMap((name, i): (Use & { readonly form: BlockForm })[] => {
    const form = blockForm(typeOf(name), use, option);
    return form ? [{ ...use, names: [name], rows: [use.rows[i] as number], form }] : [];
  });
  const [first] = single;
  const alike =
    single.length === use.names.length &&
    single.every(({ form }) => sameForm(form, (first as { form: BlockForm }).form));
  return first && alike ? [{ ...use, form: first.form }] : single;
}

/** How a weight is held in blocks; undefined where it stays as it is. */
function blockForm(
  type: StoredTensor['dtype'] | undefined,
  { width, words, inOut }: Use,
  option: IntegerOption,
): BlockForm | undefined {
  if (type === undefined) return undefined;
  // Blocks of a file lie along its own rows.
  const exact = isQuantised(type) && !inOut ? blockFormOf(type) : undefined;
  const fits = (form: BlockForm) => (width % form.block === 0 ? form : undefined);
  if (exact && (exact.bits === 4 || words || option !== 'int4')) return fits(exact);
  if (option === 'auto') return undefined;
  // Words are told apart by small differences, and scored by the same table: four bits are too few for them.
  return fits({ bits: words || option === 'int8' ? 8 : 4, block: 32, minima: false });
}

/** Where the pieces of a packed weight lie, one behind the other. */
export function layoutOf(use: Planned) {
  let offset = 0;
  const parts = piecesOf(use.form, sizeOfUse(use)).map(({ piece, dtype, shape }) => {
    const length = byteSizeOf(dtype, shape);
    const part = { piece, dtype, offset, length };
    offset += length;
    return part;
  });
  return { parts, length: offset };
}

/** Rows and width of weights together. */
export const sizeOfUse = ({ rows, width }: Use): [number, number] => [rows.reduce((sum, own) => sum + own, 0), width];

export function sameForm(a: BlockForm, b: BlockForm): boolean {
  return a.bits === b.bits && a.block === b.block && a.minima === b.minima;
}
