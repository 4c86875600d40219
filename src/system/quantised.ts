/**
 * Quantised weights: a scope whose products and look-ups read integers. No part knows of it.
 *
 * N rows of a weight, K their width, b values in a block, C = K / b blocks in a row
 */
import {
  add,
  blockRows,
  columnProduct,
  frozenProduct,
  matmul,
  matmulBlocks,
  normalFloatProduct,
  parameter,
  reshape,
  slice,
  sum,
  type Tensor,
  transpose,
  wholeProduct,
} from '../graph/index.js';
import { fullName, type Params, wrapScope } from '../nn/index.js';
import { type BlockForm, type DType, normalFloatBlock, QuintetError } from '../tensor/index.js';

/**
 * How a weight is held: in blocks along its rows, or in columns with one scale each. Where gradients pass through it, in
 * columns both as it is and the other way round, or in columns beside the weight itself; or in NF4.
 */
export type WeightForm = BlockForm | WholeForm | ColumnForm | 'nf4';
/** Blocks whose numbers are multiplied with exactly, and that gradients pass through. */
export interface WholeForm extends BlockForm {
  readonly whole: true;
}
export type ColumnForm = 'columns' | 'columns both ways' | 'columns and whole';

/** A tensor that a packed weight consists of. */
export interface Piece {
  /** The weight's name; of weights that are packed together, all their names. */
  readonly weight: string;
  readonly piece: PieceName;
  readonly form: WeightForm;
}

export type PieceName = 'codes' | 'scales' | 'minima' | 'turned codes' | 'turned scales';

/** What weights [N, K] that are multiplied with the same operand are called together. */
export const jointName = (names: readonly string[]): string => names.join(' + ');

interface PieceType {
  readonly piece: PieceName;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Element types and shapes of the pieces of a weight [N, K], in the order in which they are stored. */
export function piecesOf(form: WeightForm, [rows, width]: readonly [number, number]): PieceType[] {
  if (form === 'nf4') {
    const count = Math.ceil((rows * width) / normalFloatBlock);
    return [
      { piece: 'scales', dtype: 'f32', shape: [count] },
      { piece: 'codes', dtype: 'u8', shape: [count, normalFloatBlock / 2] },
    ];
  }
  if (typeof form === 'string') {
    const both = form === 'columns both ways';
    return [
      { piece: 'scales', dtype: 'f32', shape: [rows] },
      ...(both ? [{ piece: 'turned scales', dtype: 'f32', shape: [width] } as const] : []),
      { piece: 'codes', dtype: 'i8', shape: [width, rows] },
      ...(both ? [{ piece: 'turned codes', dtype: 'i8', shape: [rows, width] } as const] : []),
    ];
  }
  const { bits, block, minima } = form;
  const count = width / block;
  return [
    { piece: 'scales', dtype: 'f32', shape: [rows, count] },
    ...(minima ? [{ piece: 'minima', dtype: 'f32', shape: [count, rows] } as const] : []),
    { piece: 'codes', dtype: 'u8', shape: [rows, count, (block * bits) / 8] },
  ];
}

/** Parameters of packed weights that a graph uses, by their names in the graph. */
export type Pieces = Map<string, Piece & { readonly tensor: Tensor }>;

/** The scope in which the weights that `formOf` knows, by their names, are read packed; their pieces are added to `pieces`. */
export function quantised(p: Params, formOf: (weight: string) => WeightForm | undefined, pieces: Pieces): Params {
  const declare = (weight: string, form: WeightForm, size: readonly [number, number], view = ''): PiecesOf => {
    const made = piecesOf(form, size).map(({ piece, dtype, shape }) => {
      // The engine's look-up takes the codes of a row as one axis: the same bytes under another shape.
      const seen = view !== '' && piece === 'codes' ? [size[0], shape.slice(1).reduce((a, b) => a * b)] : shape;
      const name = `${weight}.${piece === 'codes' ? view : ''}${piece}`;
      const known = pieces.get(name) ?? { weight, piece, form, tensor: parameter(name, dtype, seen) };
      pieces.set(name, known);
      return [piece, known.tensor] as const;
    });
    return Object.fromEntries(made) as unknown as PiecesOf;
  };
  const multiply = (x: Tensor, weight: string, form: WeightForm, out: number, whole: () => Tensor): Tensor => {
    const size = [out, x.size(-1)] as const;
    if (typeof form !== 'string' && 'whole' in form) return wholeProduct(x, declare(weight, form, size, 'row_'), form);
    const own = declare(weight, form, size);
    if (typeof form !== 'string') return blockProduct(x, own, form);
    if (form === 'nf4') return normalFloatProduct(x, own.codes, own.scales, out);
    const { codes, scales } = own;
    if (form === 'columns') return columnProduct(x, codes, scales);
    const turned = [own['turned codes'], own['turned scales']].filter((piece) => piece !== undefined);
    return frozenProduct(x, codes, scales, form === 'columns and whole' ? [whole()] : turned);
  };
  const scope = (inner: Params): Params =>
    wrapScope(inner, (at) => ({
      product(name, x, out, init) {
        const weight = fullName(at, name);
        const form = formOf(weight);
        return form
          ? multiply(x, weight, form, out, () => at.get(name, [out, x.size(-1)], init))
          : at.product(name, x, out, init);
      },
      products(layers, x, init) {
        const weight = jointName(layers.map(([layer]) => fullName(at, `${layer}.weight`)));
        const form = formOf(weight);
        if (!form) return layers.map(([layer, out]) => scope(at.at(layer)).product('weight', x, out, init));
        const ends = layers.map((_, i) => layers.slice(0, i + 1).reduce((sum, [, out]) => sum + out, 0));
        const joint = multiply(x, weight, form, ends.at(-1) as number, () => notOne(weight));
        return layers.map(([, out], i) => slice(joint, -1, (ends[i] as number) - out, ends[i] as number));
      },
      inOutProduct(name, x, out, init) {
        const weight = fullName(at, name);
        const form = formOf(weight);
        return form
          ? multiply(x, weight, form, out, () => transpose(at.get(name, [x.size(-1), out], init)))
          : at.inOutProduct(name, x, out, init);
      },
      rows(name, ids, table, init) {
        const weight = fullName(at, name);
        const form = formOf(weight);
        if (!form || typeof form === 'string') return at.rows(name, ids, table, init);
        return blockRows(ids, declare(weight, form, table, 'row_'), form);
      },
    }));
  return scope(p);
}

type PiecesOf = Readonly<Record<'codes' | 'scales', Tensor>> &
  Readonly<Partial<Record<'minima' | 'turned codes' | 'turned scales', Tensor>>>;

function notOne(weights: string): never {
  throw new QuintetError('name', `${weights} are no single weight`);
}

/** x [..., K] -> [..., N]. Minima are another product, with the sums of the blocks of x, and so exact. */
function blockProduct(x: Tensor, { codes, scales, minima }: PiecesOf, form: BlockForm): Tensor {
  const y = matmulBlocks(x, codes, scales, form);
  if (!minima) return y;
  const blocks = reshape(x, [...x.shape.slice(0, -1), scales.size(1), form.block]);
  return add(y, matmul(sum(blocks, [-1]), minima));
}
