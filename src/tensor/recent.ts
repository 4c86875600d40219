/**
 * The value of a key in a map of those that were asked for last, made where it is not there. Beyond `most`, the one that was
 * not asked for for longest is forgotten.
 */
export function recent<K, V>(kept: Map<K, V>, key: K, { most, make }: { readonly most: number; make(): V }): V {
  const value = kept.has(key) ? (kept.get(key) as V) : make();
  // To be put last.
  kept.delete(key);
  kept.set(key, value);
  for (const oldest of kept.keys()) if (kept.size > most) kept.delete(oldest);
  return value;
}
