/** In what a run differs from the one that wrote a checkpoint, by the names that run files have for it. */

import { isDeepStrictEqual } from 'node:util';

/** What tells one run from another, as JSON. */
export type State = Readonly<Record<string, unknown>>;

/** One text for each setting that was another, and for weights and parameters that were. */
export function stateDifferences(saved: State, own: State): string[] {
  const isOther = (key: string): boolean => !isDeepStrictEqual(saved[key], own[key]);
  return [
    ...differences(settingsOf(saved), settingsOf(own)),
    ...(isOther('model') ? ["the model's weights were others"] : []),
    ...(isOther('parameters') ? [learningDifference(textsIn(saved.parameters), textsIn(own.parameters))] : []),
  ];
}

/** What of a state run files say, as they nest it. */
function settingsOf({ model: _, parameters: __, objective, data, ...own }: State): State {
  const { form, paths, ...about } = (data ?? {}) as State;
  const { name: kind, ...settings } = (typeof objective === 'object' ? objective : { name: objective }) as State;
  const asked: State = { ...(form as State | undefined), ...settings, kind };
  // Some of what batches tell is the objective's, none stands for a setting, and a micro-batch is the batch where nothing is said.
  const told = Object.entries(about).filter(([key]) => !(key in asked || key in own));
  const rest = told.filter(([key, value]) => key !== 'microBatch' || value !== about.batch);
  return { ...own, objective: asked, data: paths, ...Object.fromEntries(rest) };
}

function differences(before: unknown, now: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, now)) return [];
  if (isRecord(before) && isRecord(now)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
    return [...keys].flatMap((key) => differences(before[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  if (Array.isArray(before) && Array.isArray(now) && before.length === now.length && before.every(isRecord)) {
    return before.flatMap((own, i) => differences(own, now[i], before.length === 1 ? path : `${path}[${i}]`));
  }
  if (path === 'samples') return [`there were ${before} samples and are now ${now}`];
  if (path === 'adapter.values') return ['the adapter that it begins with had learnt something else'];
  return [`\`${path}\` was ${written(before)} and is now ${written(now)}`];
}

const isRecord = (value: unknown): value is State =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const written = (value: unknown): string => (value == null ? 'left out' : JSON.stringify(value));

function learningDifference(before: readonly string[], now: readonly string[]): string {
  const added = now.find((one) => !before.includes(one));
  if (added !== undefined) return `${added} did not learn`;
  return `${before.find((one) => !now.includes(one)) ?? 'something else'} learnt`;
}

const textsIn = (list: unknown): readonly string[] => (Array.isArray(list) ? list : []);
