/** Several low-rank adapters as one: the weighted sum of what they add, as PEFT's combination `cat` has it, and so exact. */

import { type AdapterSettings, adapterOf, loraScale, settingsFor } from '../system/index.js';
import { concatRows, type HostArray, hostArray, QuintetError, toNumbers } from '../tensor/index.js';
import type { LoadedAdapter } from './peft/index.js';

export interface Weighted {
  readonly adapter: LoadedAdapter;
  readonly weight: number;
}

/** One layer's matrices of one adapter: A [rank, in] and s B [out, rank]. */
interface Pair {
  readonly low: HostArray;
  readonly high: HostArray;
}

const lowName = '.lora_A.weight';
const highName = '.lora_B.weight';

/** An adapter of linear layers whose A are those of the others below one another, and whose B those beside one another. */
export function combineLoras(parts: readonly Weighted[]): LoadedAdapter {
  const layers = new Map<string, Pair[]>();
  for (const { adapter, weight } of parts) {
    for (const [path, pair] of pairsOf(adapter, weight)) layers.set(path, [...(layers.get(path) ?? []), pair]);
  }
  const values = new Map<string, HostArray>();
  const byRank = new Map<number, string[]>();
  for (const [path, pairs] of layers) {
    const low = concatRows(pairs.map((pair) => pair.low));
    values.set(path + lowName, low);
    values.set(path + highName, beside(pairs.map((pair) => pair.high)));
    const rank = low.shape[0] as number;
    byRank.set(rank, [...(byRank.get(rank) ?? []), path]);
  }
  const settings = [...byRank].map(([rank, on]): AdapterSettings => ({ kind: 'lora', rank, alpha: rank, on }));
  return { settings, adapter: adapterOf(settings), values };
}

function pairsOf({ settings, values }: LoadedAdapter, weight: number): [string, Pair][] {
  const own = settings.flatMap((each) => (each.kind === 'lora' && (each.bias ?? 'none') === 'none' ? [each] : []));
  const names = [...values.keys()];
  if (own.length < settings.length || names.some((name) => !name.endsWith(lowName) && !name.endsWith(highName))) {
    throw new QuintetError('unsupported', 'only LoRA on linear layers, with nothing trained beside it, is combined', {
      hint: 'use one adapter at a time, or merge one into the weights',
    });
  }
  return names
    .filter((name) => name.endsWith(lowName))
    .map((name) => {
      const path = name.slice(0, -lowName.length);
      const set = settingsFor(own, path);
      const high = values.get(path + highName);
      if (!set || !high) throw new QuintetError('weights', 'the layer has one matrix of two', { at: path });
      const factor = weight * loraScale(set);
      const scaled = toNumbers(high).map((x) => x * factor);
      return [path, { low: values.get(name) as HostArray, high: hostArray('f32', high.shape, scaled) }];
    });
}

/** Matrices [out, rank] beside one another: [out, ranks together] */
function beside(matrices: readonly HostArray[]): HostArray {
  const rows = matrices[0]?.shape[0] as number;
  const numbers = matrices.map(toNumbers);
  const ranks = matrices.map(({ shape }) => shape[1] as number);
  const data = Array.from({ length: rows }, (_, row) =>
    numbers.flatMap((all, i) => all.slice(row * (ranks[i] as number), (row + 1) * (ranks[i] as number))),
  );
  return hostArray('f32', [rows, ranks.reduce((sum, rank) => sum + rank, 0)], data.flat());
}
