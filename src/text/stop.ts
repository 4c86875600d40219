/** Stop strings in streamed text: nothing of a stop string is given out, not even its beginning. */

export interface StopMatcher {
  /** The text that certainly lies before any stop string, and whether one was found; nothing comes after it. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** The tail that might have become a stop string. */
  flush(): string;
}

/** Where several stop strings end at the same place the one that starts first cuts. Constant time a character and string. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const matchers = stops.filter((stop) => stop !== '').map(progress);
  let held = '';
  let stopped = false;
  return {
    push(text) {
      if (stopped) return { text: '', stopped };
      for (let i = 0; i < text.length; i++) {
        // Of the strings complete at this character, the longest starts first.
        const longest = Math.max(
          0,
          ...matchers.map((matcher) => (matcher.step(text[i] as string) ? matcher.length : 0)),
        );
        if (longest === 0) continue;
        const before = (held + text.slice(0, i + 1)).slice(0, -longest);
        held = '';
        stopped = true;
        return { text: before, stopped };
      }
      const all = held + text;
      const pending = Math.max(0, ...matchers.map((matcher) => matcher.matched()));
      held = all.slice(all.length - pending);
      return { text: all.slice(0, all.length - pending), stopped };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** How much of a string the text so far ends with. Knuth, Morris and Pratt, "Fast Pattern Matching in Strings", 1977. */
function progress(sought: string) {
  const fallback = [0]; // of each prefix, the longest that is also its suffix
  for (let i = 1, k = 0; i < sought.length; i++) {
    while (k > 0 && sought[i] !== sought[k]) k = fallback[k - 1] as number;
    if (sought[i] === sought[k]) k++;
    fallback.push(k);
  }
  let matched = 0;
  return {
    length: sought.length,
    matched: () => matched,
    /** Whether the string ends with this character. */
    step(char: string): boolean {
      while (matched > 0 && sought[matched] !== char) matched = fallback[matched - 1] as number;
      if (sought[matched] === char) matched++;
      if (matched < sought.length) return false;
      matched = fallback[matched - 1] as number;
      return true;
    },
  };
}
