/**
 * Which tokens may come next: the tree of a vocabulary is walked together with the machine, and what is found is remembered
 * by the machine's state.
 */
import { atOnce, type InParts, QuintetError, recent } from '../../tensor/index.js';
import { createMachine, type Machine } from './machine.js';
import type { Program } from './program.js';
import type { ByteTree, Vocabulary } from './vocabulary.js';

/** One answer that is held to a constraint. */
export interface Constraint {
  /**
   * The tokens that may come next, a bit for each id: id i is bit i & 31 of number i >> 5. Never empty. Valid until the next call.
   */
  allowed(): Uint32Array;
  /** One of them was chosen. */
  accept(id: number): void;
  /** Whether nothing may follow: the answer is whole. */
  readonly done: boolean;
  /** Whether the answer is whole as it is, though more may follow; absent where answers have no form. */
  readonly whole?: boolean;
  /** Finds in parts what `allowed` and `done` are going to say, errors too; without it they find it at once. */
  ready?(): InParts<void>;
}

/** Steps of the machine for one mask, a second's worth; usual ones take a few thousand. */
const fuelPerMask = 5e6;
/** Bytes of remembered masks. */
const mostMaskBytes = 2 ** 24;
/** States after which everything remembered is forgotten. */
const enoughStates = 2 ** 14;
/** States that are looked at for one mask to find out which tokens lead into a dead end, where a vocabulary lacks characters. */
const mostLookahead = 500;

export interface MaskOptions {
  /** Tokens that may follow a whole answer. */
  readonly ends: readonly number[];
  /** Whether all that the program takes can be spelled in tokens, so that none leads into a dead end. */
  readonly spellsAll: boolean;
}

/** What may follow a state. */
interface Following {
  readonly mask: Uint32Array;
  /** Whether a token may that does not end the answer. */
  readonly goesOn: boolean;
}

/** Begins answers over a vocabulary, any number at a time. */
export function createMasks(
  program: Program,
  vocabulary: Vocabulary,
  options: MaskOptions,
): () => Required<Constraint> {
  let remembered = remember(program, vocabulary, options);

  return () => {
    let spelled = '';
    let own = remembered;
    let state = own.machine.start;
    /** Gives what follows the state, or throws; undefined where it was not looked for yet. */
    let found: (() => Following) | undefined;
    const isFirst = (): boolean => spelled === '';
    /** Goes over to what is remembered now, which may have been begun anew. */
    function* catchUp(): InParts<void> {
      if (remembered.machine.size > enoughStates) remembered = remember(program, vocabulary, options);
      const newest = remembered;
      if (own === newest) return;
      state = yield* newest.follow(newest.machine.start, spelled);
      own = newest;
    }
    function* ready(): InParts<void> {
      if (found) return;
      try {
        yield* catchUp();
        const following = yield* own.following(state, isFirst());
        found = () => following;
      } catch (error) {
        found = () => {
          throw error;
        };
      }
    }
    const following = (): Following => {
      atOnce(ready());
      return (found as () => Following)();
    };
    return {
      ready,
      allowed() {
        const { mask } = following();
        if (mask.some((word) => word !== 0)) return mask;
        throw noToken(own.machine.accepts(state));
      },
      accept(id) {
        atOnce(catchUp());
        const added = vocabulary.spelled(id, isFirst());
        const next = atOnce(own.follow(state, added));
        if (next < 0 || added === '') throw new QuintetError('constraint', `token ${id} may not come next`);
        spelled += added;
        state = next;
        found = undefined;
      },
      get whole() {
        return own.machine.accepts(state);
      },
      get done() {
        if (options.spellsAll || !own.machine.accepts(state)) return own.machine.isLast(state);
        return !following().goesOn;
      },
    };
  };
}

/** A machine, and what may follow its states. */
function remember(program: Program, vocabulary: Vocabulary, { ends, spellsAll }: MaskOptions) {
  const machine = createMachine(program);
  const known = new Map<number, Following>();
  const words = Math.ceil(Math.max(vocabulary.size, ...ends.map((id) => id + 1)) / 32);
  const most = Math.max(16, Math.floor(mostMaskBytes / (4 * words)));
  const wayOut = spellsAll ? undefined : waysOut(machine, vocabulary);

  function* look(state: number, isFirst: boolean): InParts<Following> {
    const mask = new Uint32Array(words);
    const tree = isFirst ? vocabulary.first : vocabulary.later;
    const allow = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const id = tree.ids[i] as number;
        mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
      }
    };
    const isPartDone = partsOf(machine);
    if (wayOut) {
      const reached: (readonly [from: number, to: number, state: number])[] = [];
      yield* walk(machine, tree, { start: state, isPartDone, found: (...range) => reached.push(range) });
      const leadsFrom = wayOut(isPartDone);
      for (const [from, to, next] of reached) {
        if (isPartDone()) yield;
        if (yield* leadsFrom(next)) allow(from, to);
      }
    } else yield* walkFreely(machine, tree, { start: state, isPartDone, found: allow });
    const goesOn = mask.some((word) => word !== 0);
    for (const id of ends) {
      const bit = 1 << (id & 31);
      const word = mask[id >> 5] as number;
      mask[id >> 5] = machine.accepts(state) ? word | bit : word & ~bit;
    }
    return { mask, goesOn };
  }

  return {
    machine,
    /** The state after some bytes, each a character, or -1. */
    follow: (start: number, bytes: string): InParts<number> => fuelled(machine, follow(machine, start, bytes)),
    *following(state: number, isFirst: boolean): InParts<Following> {
      const key = 2 * state + (isFirst ? 1 : 0);
      const made = known.get(key) ?? (yield* fuelled(machine, look(state, isFirst)));
      return recent(known, key, { most, make: () => made });
    },
  };
}

/** Work that has the steps of one mask, whoever else uses the machine between its parts. */
function* fuelled<Result>(machine: Machine, work: InParts<Result>): InParts<Result> {
  for (let fuel = fuelPerMask; ; ) {
    machine.fuel = fuel;
    const { value, done } = work.next();
    if (done) return value;
    fuel = machine.fuel;
    yield;
  }
}

/** Says, asked at each byte, when a part has taken long enough: known steps take nanoseconds, new ones a microsecond and more. */
function partsOf(machine: Machine): () => boolean {
  let [bytes, fuel] = [0, machine.fuel];
  return () => {
    if (++bytes < 2 ** 14 && fuel - machine.fuel < 2 ** 12) return false;
    [bytes, fuel] = [0, machine.fuel];
    return true;
  };
}

function* follow(machine: Machine, start: number, bytes: string): InParts<number> {
  const isPartDone = partsOf(machine);
  let state = start;
  for (let i = 0; i < bytes.length && state >= 0; i++) {
    if (isPartDone()) yield;
    state = machine.step(state, bytes.charCodeAt(i));
  }
  return state;
}

export function noToken(isWhole: boolean): QuintetError {
  return new QuintetError('constraint', 'no token of the vocabulary goes on as the constraint wants', {
    hint: isWhole
      ? 'the answer is whole, but there is no token to end it with'
      : "the model's vocabulary lacks characters that the answer needs",
  });
}

interface Walk {
  readonly start: number;
  readonly isPartDone: () => boolean;
  /** Told of ranges of the tree's ids, and of the state that they lead to. */
  readonly found: (from: number, to: number, state: number) => void;
}

/** Finds the tokens that may follow a state. */
function* walk(
  machine: Machine,
  { bytes, depths, ends, firstId, deepest }: ByteTree,
  { start, isPartDone, found }: Walk,
): InParts<void> {
  const states = new Int32Array(deepest + 1);
  states[0] = start;
  for (let node = 0; node < bytes.length; ) {
    if (isPartDone()) yield;
    const depth = depths[node] as number;
    const next = machine.step(states[depth] as number, bytes[node] as number);
    if (next < 0) {
      node = ends[node] as number;
      continue;
    }
    states[depth + 1] = next;
    const [from, to] = [firstId[node] as number, firstId[node + 1] as number];
    if (from < to) found(from, to, next);
    node++;
  }
}

/** The same without the states: where any plain characters may follow, a branch of such is taken whole. */
function* walkFreely(
  machine: Machine,
  { bytes, depths, ends, firstId, plainRuns, deepest }: ByteTree,
  { start, isPartDone, found }: Omit<Walk, 'found'> & { readonly found: (from: number, to: number) => void },
): InParts<void> {
  const states = new Int32Array(deepest + 1);
  states[0] = start;
  for (let node = 0; node < bytes.length; ) {
    if (isPartDone()) yield;
    const depth = depths[node] as number;
    const state = states[depth] as number;
    const end = ends[node] as number;
    if ((plainRuns[node] as number) <= machine.freedom(state)) {
      found(firstId[node] as number, firstId[end] as number);
      node = end;
      continue;
    }
    const next = machine.step(state, bytes[node] as number);
    if (next < 0) {
      node = end;
      continue;
    }
    states[depth + 1] = next;
    found(firstId[node] as number, firstId[node + 1] as number);
    node++;
  }
}

/**
 * Finds, for one mask after another, whether tokens lead from a state to the end of an answer. Where a vocabulary cannot spell
 * every character by itself, what the machine allows may still be a dead end. Answers are remembered; beyond the limit it is
 * taken for granted.
 */
function waysOut(machine: Machine, { later }: Vocabulary) {
  const known = new Map<number, boolean>();
  const isOut = (state: number): boolean => machine.accepts(state) || known.get(state) === true;

  return (isPartDone: () => boolean) => {
    let looked = 0;

    /** Goes down first; `path` leads to where the search is. */
    function* search(start: number): InParts<boolean> {
      const path: { readonly state: number; readonly next: number[] }[] = [];
      const seen = new Set<number>();
      function* enter(state: number): InParts<void> {
        looked++;
        seen.add(state);
        const next = new Set<number>();
        yield* walk(machine, later, { start: state, isPartDone, found: (_from, _to, reached) => next.add(reached) });
        path.push({ state, next: [...next] });
      }
      yield* enter(start);
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        if (looked > mostLookahead) return true;
        if (top.next.some(isOut)) {
          for (const { state } of path) known.set(state, true);
          return true;
        }
        const next = top.next.pop();
        if (next === undefined) path.pop();
        else if (!seen.has(next) && known.get(next) === undefined) yield* enter(next);
      }
      for (const state of seen) known.set(state, false);
      return false;
    }

    return function* leadsFrom(state: number): InParts<boolean> {
      return isOut(state) || (known.get(state) ?? (yield* search(state)));
    };
  };
}
