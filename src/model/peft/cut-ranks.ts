/**
 * AdaLoRA's layers in a file. Those whose singular values the loss does not reach, though it holds their vectors orthogonal,
 * add nothing and are left out; so are, where ranks are cut, triplets whose singular value is zero. `rank_pattern` tells
 * which of the initial ones are there.
 */
import { type AdapterSettings, settingsFor } from '../../system/index.js';
import { type HostArray, hostArray, toNumbers } from '../../tensor/index.js';

type Values = ReadonlyMap<string, HostArray>;

export interface CutRanks {
  readonly values: Values;
  /** Whether each triplet of a layer is left, by the name of its singular values; where ranks are cut. */
  readonly pattern?: ReadonlyMap<string, readonly boolean[]>;
}

const ending = 'lora_E';

/** Of other adapters, all that they have. */
export function cutRanks(settings: readonly AdapterSettings[], learnt: Values): CutRanks {
  const groups = settings.flatMap((own) => (own.kind === 'adalora' ? [own] : []));
  if (groups.length === 0) return { values: learnt };
  const values = new Map([...learnt].filter(([name]) => learnt.has(name.replace(/\.lora_[AB]$/, `.${ending}`))));
  if (!groups.some(({ rank, initial = rank, cuts }) => cuts || rank < initial)) return { values };
  const left = new Map(values);
  const pattern = new Map<string, readonly boolean[]>();
  for (const [name, own] of values) {
    const path = name.slice(0, -ending.length - 1);
    const group = name.endsWith(`.${ending}`) ? settingsFor(groups, path) : undefined;
    if (!group) continue;
    const { rank, initial = rank } = group;
    const isLeft = toNumbers(own).map((value) => value !== 0);
    pattern.set(name, [...isLeft, ...Array<boolean>(initial - isLeft.length).fill(false)]);
    for (const [letter, axis] of [['A', 0] as const, ['E', 0] as const, ['B', 1] as const]) {
      const other = name.replace(/E$/, letter);
      left.set(other, picked(values.get(other) as HostArray, axis, isLeft));
    }
  }
  return { values: left, pattern };
}

/** The rows, or columns, of a matrix that are left. */
function picked(matrix: HostArray, axis: 0 | 1, isLeft: readonly boolean[]): HostArray {
  const [rows, columns] = matrix.shape as [number, number];
  const count = isLeft.filter(Boolean).length;
  const numbers = toNumbers(matrix).filter((_, i) => isLeft[axis === 0 ? Math.floor(i / columns) : i % columns]);
  return hostArray('f32', axis === 0 ? [count, columns] : [rows, count], numbers);
}
