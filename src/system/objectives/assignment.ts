/** The cheapest assignment: each row gets a column of its own. */

/**
 * The column of each row of costs [rows][columns], rows <= columns, of smallest sum: the Hungarian method with potentials,
 * one row after another along a shortest augmenting path. Kuhn, 1955; Jonker and Volgenant, 1987.
 */
export function cheapestAssignment(costs: readonly (readonly number[])[]): number[] {
  const columns = costs[0]?.length ?? 0;
  const rowPotential = new Float64Array(costs.length);
  const columnPotential = new Float64Array(columns);
  /** The row that has each column, or -1. */
  const owner = new Int32Array(columns).fill(-1);
  for (let row = 0; row < costs.length; row++) {
    const { came, end } = shortestPath(row, { costs, rowPotential, columnPotential, owner });
    // Each column on the path goes to the row before it.
    for (let column = end; ; ) {
      const previous = came[column] as number;
      owner[column] = previous < 0 ? row : (owner[previous] as number);
      if (previous < 0) break;
      column = previous;
    }
  }
  const assigned = new Array<number>(costs.length);
  for (const [column, row] of owner.entries()) if (row >= 0) assigned[row] = column;
  return assigned;
}

interface Matching {
  readonly costs: readonly (readonly number[])[];
  readonly rowPotential: Float64Array;
  readonly columnPotential: Float64Array;
  readonly owner: Int32Array;
}

/** Dijkstra's way from a row to a free column over reduced costs; `came` says from which column each was reached. */
function shortestPath(start: number, { costs, rowPotential, columnPotential, owner }: Matching) {
  const distance = new Float64Array(columnPotential.length).fill(Number.POSITIVE_INFINITY);
  const came = new Int32Array(columnPotential.length).fill(-1);
  const done = new Set<number>();
  const rows = [start];
  let [row, last, reached] = [start, -1, 0];
  for (;;) {
    let nearest = -1;
    for (const [column, cost] of (costs[row] as readonly number[]).entries()) {
      if (done.has(column)) continue;
      const way = reached + cost - (rowPotential[row] as number) - (columnPotential[column] as number);
      if (way < (distance[column] as number)) {
        distance[column] = way;
        came[column] = last;
      }
      if (nearest < 0 || (distance[column] as number) < (distance[nearest] as number)) nearest = column;
    }
    reached = distance[nearest] as number;
    done.add(nearest);
    if ((owner[nearest] as number) < 0) {
      settle({ rows, done, distance, reached, rowPotential, columnPotential, owner });
      return { came, end: nearest };
    }
    last = nearest;
    row = owner[nearest] as number;
    rows.push(row);
  }
}

interface Reached extends Omit<Matching, 'costs'> {
  readonly rows: readonly number[];
  readonly done: ReadonlySet<number>;
  readonly distance: Float64Array;
  readonly reached: number;
}

/** Moves potentials so that the path costs nothing more and nothing costs less than nothing. */
function settle({ rows, done, distance, reached, rowPotential, columnPotential, owner }: Reached): void {
  rowPotential[rows[0] as number] = (rowPotential[rows[0] as number] as number) + reached;
  for (const column of done) {
    const slack = reached - (distance[column] as number);
    columnPotential[column] = (columnPotential[column] as number) - slack;
    const row = owner[column] as number;
    if (row >= 0) rowPotential[row] = (rowPotential[row] as number) + slack;
  }
}
