/** Tokens that rows have yet to read, with the features that their image tokens stand for. F features, D width */

import { concatRows, type HostArray, sliceRows } from '../tensor/index.js';

interface Taken {
  readonly ids: readonly number[];
  readonly features: HostArray | undefined;
}

interface AllTaken {
  readonly ids: readonly (readonly number[])[];
  readonly features: HostArray | undefined;
}

/** Hands out the tokens of rows piece by piece, each with its own features. */
export class Pending {
  readonly #rows: { ids: readonly number[]; features: HostArray | undefined }[];

  /** `features` [F, D] are those of all rows, in order. */
  constructor(
    ids: readonly (readonly number[])[],
    features: HostArray | undefined,
    private readonly imageToken: number | undefined,
  ) {
    let from = 0;
    this.#rows = ids.map((row) => {
      const count = features ? this.#images(row) : 0;
      from += count;
      return { ids: row, features: features && rowsOf(features, from - count, from) };
    });
  }

  get ids(): readonly (readonly number[])[] {
    return this.#rows.map(({ ids }) => ids);
  }

  get longest(): number {
    return Math.max(...this.#rows.map(({ ids }) => ids.length));
  }

  /** The next `count` tokens of a row. */
  take(row: number, count: number): Taken {
    const own = this.#rows[row] as { ids: readonly number[]; features: HostArray | undefined };
    const ids = own.ids.slice(0, count);
    const { features } = own;
    own.ids = own.ids.slice(count);
    if (!features) return { ids, features };
    const images = this.#images(ids);
    own.features = rowsOf(features, images, features.shape[0] as number);
    return { ids, features: rowsOf(features, 0, images) };
  }

  /** The next tokens of every row, at most `count` of each; one is left in every row that has any. */
  takeMost(count: number): AllTaken {
    return this.#takeEach((length) => Math.min(count, Math.max(0, length - 1)));
  }

  /** All that is left. */
  takeAll(): AllTaken {
    return this.#takeEach((length) => length);
  }

  #takeEach(count: (length: number) => number): AllTaken {
    const taken = this.#rows.map(({ ids }, row) => this.take(row, count(ids.length)));
    const features = taken.flatMap((row) => row.features ?? []);
    return { ids: taken.map(({ ids }) => ids), features: features.length > 0 ? concatRows(features) : undefined };
  }

  #images(ids: readonly number[]): number {
    return ids.reduce((count, id) => count + (id === this.imageToken ? 1 : 0), 0);
  }
}

/** Rows of an array [F, D]; undefined where there are none. */
function rowsOf(features: HostArray, from: number, to: number): HostArray | undefined {
  return from < to ? sliceRows(features, from, to) : undefined;
}
