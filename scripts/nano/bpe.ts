/** Learning a byte-level BPE vocabulary (Sennrich et al., 2016, https://arxiv.org/abs/1508.07909) from a list of words. */

/** GPT-2's printable stand-in for each byte: printable Latin-1 stays, the other bytes follow from U+0100. */
export const byteCharacters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte !== 173);
    return String.fromCodePoint(printable ? byte : next++);
  });
})();

export interface BpeVocabulary {
  /** Token text to id: the 256 bytes first, then one token a merge. */
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
}

/** Merges the commonest pair again and again until every word is one token. Ties go to the pair that sorts first. */
export function learnBpe(words: ReadonlySet<string>): BpeVocabulary {
  let split = [...words].sort().map((word) => [...Buffer.from(word)].map((byte) => byteCharacters[byte]!));
  const vocab = Object.fromEntries([...byteCharacters].sort().map((character, id) => [character, id]));
  const merges: [string, string][] = [];
  for (let pair = commonest(split); pair !== undefined; pair = commonest(split)) {
    const [left, right] = pair;
    merges.push([left, right]);
    vocab[left + right] ??= Object.keys(vocab).length;
    split = split.map((parts) => merge(parts, left, right));
  }
  return { vocab, merges };
}

function commonest(split: readonly (readonly string[])[]): [string, string] | undefined {
  const counts = new Map<string, number>();
  for (const parts of split)
    for (let i = 0; i + 1 < parts.length; i++) {
      const pair = `${parts[i]} ${parts[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  let best: string | undefined;
  for (const [pair, count] of counts) {
    const most = best === undefined ? 0 : counts.get(best)!;
    if (best === undefined || count > most || (count === most && pair < best)) best = pair;
  }
  return best?.split(' ') as [string, string] | undefined;
}

function merge(parts: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const joins = parts[i] === left && parts[i + 1] === right;
    merged.push(joins ? left + right : parts[i]!);
    if (joins) i++;
  }
  return merged;
}
