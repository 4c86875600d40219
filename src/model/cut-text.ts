/** At most `longest` ids of a text; the last one, which ends it, stays. */
export function cutText(ids: readonly number[], longest: number): readonly number[] {
  return ids.length <= longest ? ids : [...ids.slice(0, longest - 1), ids.at(-1) as number];
}
