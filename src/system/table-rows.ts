/**
 * New words learn while the others stay: some rows of a table as a parameter of their own. The pattern `X.weight[7:9]` among
 * those of what learns means rows 7 and 8 of the parameter `X.weight`, and is that parameter's name.
 *
 * V rows of the table, D its width, R rows that learn
 */
import {
  and,
  concat,
  gather,
  greaterOrEqual,
  less,
  matmul,
  maximum,
  minimum,
  slice,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../graph/index.js';
import { fullName, type Glob, type Init, type Params, wrapScope } from '../nn/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Adapter } from './adapters/index.js';

export interface TableRows {
  /** The name of the parameter that the rows are meanwhile. */
  readonly name: string;
  readonly table: string;
  /** The first row, and the first one behind the last. */
  readonly from: number;
  readonly to: number;
}

/** The rows of tables among patterns of what learns. */
export function tableRows(train: readonly Glob[]): TableRows[] {
  return train.flatMap((name) => {
    const [, table = '', from, to] = /^(.*)\[(\d+):(\d+)\]$/.exec(name) ?? [];
    return table === '' ? [] : [{ name, table, from: Number(from), to: Number(to) }];
  });
}

/** The scope in which the rows are parameters of their own, for lookups and for a head that is tied to the table. */
export function learningRows(all: readonly TableRows[]): Adapter {
  return {
    merges: true,
    parameters: all.map(({ name }) => name),
    adapt: (p) => all.reduce((scope, rows) => wrapScope(scope, (inner) => verbsOf(inner, rows)), p),
  };
}

function verbsOf(inner: Params, rows: TableRows): Pick<Params, 'get' | 'rows' | 'product'> {
  const found = (name: string): TableRows | undefined => (fullName(inner, name) === rows.table ? rows : undefined);
  return {
    get(name, shape, init) {
      const own = found(name);
      const table = inner.get(name, shape, init);
      return own
        ? replaced(table, rowsOf(inner, name, own, { count: shape[0] as number, width: table.size(-1), init }), own)
        : table;
    },
    rows(name, ids, [count, width], init) {
      const own = found(name);
      const looked = inner.rows(name, ids, [count, width], init);
      if (!own) return looked;
      const { from, to } = own;
      const inside = and(greaterOrEqual(ids, from), less(ids, to));
      const place = maximum(minimum(sub(ids, from), to - from - 1), 0);
      return where(unsqueeze(inside, -1), gather(rowsOf(inner, name, own, { count, width, init }), place), looked);
    },
    product(name, x, out, init) {
      const own = found(name);
      const scores = inner.product(name, x, out, init);
      if (!own) return scores;
      const rows = rowsOf(inner, name, own, { count: out, width: x.size(-1), init });
      return replaced(scores, matmul(x, transpose(rows)), own, -1);
    },
  };
}

interface Table {
  readonly count: number;
  readonly width: number;
  readonly init: Init | undefined;
}

/** The parameter [R, D]. */
function rowsOf(p: Params, name: string, { from, to, name: at }: TableRows, { count, width, init }: Table): Tensor {
  if (from < to && to <= count) return p.get(`${name}[${from}:${to}]`, [to - from, width], init);
  throw new QuintetError('name', `a table of ${count} rows has no rows from ${from} up to ${to}`, { at });
}

/** A tensor with other places from `from` up to `to` of an axis. */
function replaced(whole: Tensor, own: Tensor, { from, to }: TableRows, axis = 0): Tensor {
  const size = whole.size(axis);
  const pieces = [slice(whole, axis, 0, from), own, slice(whole, axis, to)];
  return concat(
    pieces.filter((_, i) => (i === 0 ? from > 0 : i === 1 || to < size)),
    axis,
  );
}
