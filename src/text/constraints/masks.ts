/**
 * Which tokens may come next: the tree of a vocabulary is walked together with the machine, and what is found is remembered
 * by the machine's state.
 */
import { QuintetError, recent } from '../../tensor/index.js';
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

/** Begins answers over a vocabulary, any number at a time. */
export function createMasks(program: Program, vocabulary: Vocabulary, options: MaskOptions): () => Constraint {
  let remembered = remember(program, vocabulary, options);

  return () => {
    let spelled = '';
    let own = remembered;
    let state = own.machine.start;
    /** The state in what is remembered now, which may have been begun anew. */
    const catchUp = (): void => {
      if (remembered.machine.size > enoughStates) remembered = remember(program, vocabulary, options);
      remembered.machine.fuel = fuelPerMask;
      if (own === remembered) return;
      own = remembered;
      state = follow(own.machine, own.machine.start, spelled);
    };
    const isFirst = (): boolean => spelled === '';
    return {
      allowed() {
        catchUp();
        return own.mask(state, isFirst());
      },
      accept(id) {
        catchUp();
        const added = vocabulary.spelled(id, isFirst());
        const next = follow(own.machine, state, added);
        if (next < 0 || added === '') throw new QuintetError('constraint', `token ${id} may not come next`);
        spelled += added;
        state = next;
      },
      get done() {
        return own.isLast(state);
      },
    };
  };
}

/** The state after some bytes, each a character, or -1. */
function follow(machine: Machine, start: number, bytes: string): number {
  let state = start;
  for (let i = 0; i < bytes.length && state >= 0; i++) state = machine.step(state, bytes.charCodeAt(i));
  return state;
}

/** A machine, and the masks of its states. */
function remember(program: Program, vocabulary: Vocabulary, { ends, spellsAll }: MaskOptions) {
  const machine = createMachine(program);
  const masks = new Map<number, Uint32Array>();
  const words = Math.ceil(Math.max(vocabulary.size, ...ends.map((id) => id + 1)) / 32);
  const most = Math.max(16, Math.floor(mostMaskBytes / (4 * words)));
  const way = spellsAll ? undefined : wayOut(machine, vocabulary);

  function make(state: number, isFirst: boolean): Uint32Array {
    const mask = new Uint32Array(words);
    const tree = isFirst ? vocabulary.first : vocabulary.later;
    const allow = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const id = tree.ids[i] as number;
        mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
      }
    };
    if (way) {
      way.begin();
      walk(machine, tree, state, (from, to, next) => void (way.leadsFrom(next) && allow(from, to)));
    } else walkFreely(machine, tree, state, allow);
    for (const id of ends) {
      const bit = 1 << (id & 31);
      const word = mask[id >> 5] as number;
      mask[id >> 5] = machine.accepts(state) ? word | bit : word & ~bit;
    }
    if (mask.some((word) => word !== 0)) return mask;
    throw noToken(machine.accepts(state));
  }

  return {
    machine,
    /** Whether nothing but the end may follow. */
    isLast(state: number): boolean {
      if (way === undefined || !machine.accepts(state)) return machine.isLast(state);
      way.begin();
      let goesOn = false;
      walk(machine, vocabulary.later, state, (_from, _to, next) => {
        goesOn ||= way.leadsFrom(next);
      });
      return !goesOn;
    },
    mask(state: number, isFirst: boolean): Uint32Array {
      return recent(masks, 2 * state + (isFirst ? 1 : 0), { most, make: () => make(state, isFirst) });
    },
  };
}

export function noToken(isWhole: boolean): QuintetError {
  return new QuintetError('constraint', 'no token of the vocabulary goes on as the constraint wants', {
    hint: isWhole
      ? 'the answer is whole, but there is no token to end it with'
      : "the model's vocabulary lacks characters that the answer needs",
  });
}

/** Finds the tokens that may follow a state, as ranges of the tree's ids with the state that each leads to. */
function walk(
  machine: Machine,
  { bytes, depths, ends, firstId, deepest }: ByteTree,
  start: number,
  found: (from: number, to: number, state: number) => void,
): void {
  const states = new Int32Array(deepest + 1);
  states[0] = start;
  for (let node = 0; node < bytes.length; ) {
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
function walkFreely(
  machine: Machine,
  { bytes, depths, ends, firstId, plainRuns, deepest }: ByteTree,
  start: number,
  found: (from: number, to: number) => void,
): void {
  const states = new Int32Array(deepest + 1);
  states[0] = start;
  for (let node = 0; node < bytes.length; ) {
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
 * Finds whether tokens lead from a state to the end of an answer. Where a vocabulary cannot spell every character by itself,
 * what the machine allows may still be a dead end. Answers are remembered; beyond the limit it is taken for granted.
 */
function wayOut(machine: Machine, { later }: Vocabulary) {
  const known = new Map<number, boolean>();
  let looked = 0;
  const isOut = (state: number): boolean => machine.accepts(state) || known.get(state) === true;

  /** Goes down first; `path` leads to where the search is. */
  function search(start: number): boolean {
    const path: { readonly state: number; readonly next: number[] }[] = [];
    const seen = new Set<number>();
    const enter = (state: number): void => {
      looked++;
      seen.add(state);
      const next = new Set<number>();
      walk(machine, later, state, (_from, _to, reached) => next.add(reached));
      path.push({ state, next: [...next] });
    };
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      if (looked > mostLookahead) return true;
      if (top.next.some(isOut)) {
        for (const { state } of path) known.set(state, true);
        return true;
      }
      const next = top.next.pop();
      if (next === undefined) path.pop();
      else if (!seen.has(next) && known.get(next) === undefined) enter(next);
    }
    for (const state of seen) known.set(state, false);
    return false;
  }

  return {
    /** Another mask is to be made. */
    begin(): void {
      looked = 0;
    },
    leadsFrom: (state: number): boolean => isOut(state) || (known.get(state) ?? search(state)),
  };
}
