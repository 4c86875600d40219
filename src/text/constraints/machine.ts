/**
 * Runs a program on bytes. A state is the set of all stacks that the text so far may have led to; states and the steps between
 * them are made when they are first needed and remembered, as in a lazily built deterministic automaton (Cox, "Regular
 * Expression Matching in the Wild", 2010). Stacks share what lies below their tops.
 */
import { QuintetError } from '../../tensor/index.js';
import { spell } from './code-points.js';
import { type Instruction, mostFrames, type Program, returnAt, tooLarge } from './program.js';

export interface Machine {
  readonly start: number;
  /** How many states there are by now. */
  readonly size: number;
  /** The state after a byte, or -1 where no text goes on so. */
  step(state: number, byte: number): number;
  /** Whether the text may end here. */
  accepts(state: number): boolean;
  /** Whether nothing but the end may follow. */
  isLast(state: number): boolean;
  /** How many plain characters may certainly follow, whichever they are. */
  freedom(state: number): number;
  /** Steps of the machine that may still be taken before 'limit' is thrown. */
  fuel: number;
}

interface State {
  /** Stacks whose top is a set: its frame holds the progress into a character in place of a count. */
  readonly stacks: readonly number[];
  readonly accepts: boolean;
  readonly freedom: number;
  /** By byte: 0 not yet known, 1 for none, else the next state plus 2. Made at the first step. */
  table: Int32Array | undefined;
}

export function createMachine({ instructions, starts, heights }: Program): Machine {
  const frames = frameTable();
  const states: State[] = [];
  const numbers = new Map<string, number>();

  /** Everything that tops lead to without a character. */
  function close(tops: readonly number[]): number {
    const stacks: number[] = [];
    let [accepts, freedom] = [false, 0];
    const seen = new Set<number>();
    const pending = [...tops];
    const enter = (pc: number, below: number): boolean => {
      const fits = frames.depth(below) + (heights[pc] as number) <= mostFrames;
      if (fits) pending.push(frames.of(pc, 0, below));
      return fits;
    };
    for (let frame = pending.pop(); frame !== undefined; frame = pending.pop()) {
      if (seen.has(frame)) continue;
      seen.add(frame);
      if (--result.fuel < 0 || seen.size > mostAtOnce) throw tooLarge('that leaves too much open at once');
      const [pc, count, below] = [frames.pc(frame), frames.count(frame), frames.below(frame)];
      const instruction = instructions[pc] as Instruction;
      if (instruction.kind === 'set') stacks.push(frame);
      else if (instruction.kind === 'split') for (const option of instruction.options) enter(option, below);
      else if (instruction.kind === 'call') {
        const after = instruction.next === returnAt ? below : frames.of(instruction.next, 0, below);
        enter(starts[instruction.rule] as number, after);
      } else if (instruction.kind === 'repeat') {
        const { body, min, max, next } = instruction;
        // Above the minimum an unbounded repetition need not count.
        const again = max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
        const goesOn = count < max && enter(body, frames.of(pc, again, below));
        if (goesOn && instruction.plain) freedom = Math.max(freedom, Math.min(max - count, mostFreedom));
        if (count >= min) enter(next, below);
      } else if (below === -1) accepts = true;
      else pending.push(below);
    }
    return stacks.length === 0 && !accepts ? -1 : numberOf(stacks, accepts, freedom);
  }

  function numberOf(stacks: number[], accepts: boolean, freedom: number): number {
    const key = `${accepts ? '' : '-'}${stacks.sort((a, b) => a - b).join()}`;
    let number = numbers.get(key);
    if (number === undefined) {
      if (states.length >= mostStates) throw tooLarge('of too many states');
      number = states.push({ stacks, accepts, freedom, table: undefined }) - 1;
      numbers.set(key, number);
    }
    return number;
  }

  function follow({ stacks }: State, byte: number): number {
    const tops: number[] = [];
    result.fuel -= stacks.length;
    for (const frame of stacks) {
      const { set, next } = instructions[frames.pc(frame)] as Instruction & { kind: 'set' };
      const progress = spell(set, frames.count(frame), byte);
      if (progress === 0) tops.push(frames.of(next, 0, frames.below(frame)));
      else if (progress > 0) tops.push(frames.of(frames.pc(frame), progress, frames.below(frame)));
    }
    return tops.length === 0 ? -1 : close(tops);
  }

  const result = {
    start: 0,
    fuel: 1e6,
    get size() {
      return states.length;
    },
    step(number: number, byte: number): number {
      const state = states[number] as State;
      state.table ??= new Int32Array(256);
      const known = state.table[byte] as number;
      if (known !== 0) return known - 2;
      const next = follow(state, byte);
      state.table[byte] = next + 2;
      return next;
    },
    accepts: (number: number) => (states[number] as State).accepts,
    isLast: (number: number) => (states[number] as State).accepts && (states[number] as State).stacks.length === 0,
    freedom: (number: number) => (states[number] as State).freedom,
  };
  result.start = close([frames.of(starts[0] as number, 0, -1)]);
  return result;
}

/** Below the mark of branches of a vocabulary that are not plain. */
const mostFreedom = 0xfffe;

/** Stacks of one state, with what leads to them. */
const mostAtOnce = 10_000;

/** States after which a machine is given up: each takes at most a kilobyte. */
export const mostStates = 2 ** 16;

/** Frames of stacks: where to go on, a count, and the frame below, or -1. Equal ones are one. */
function frameTable() {
  const [pcs, counts, belows, depths]: [number[], number[], number[], number[]] = [[], [], [], []];
  const byBelow = new Map<number, Map<number, number>>();
  return {
    of(pc: number, count: number, below: number): number {
      let found = byBelow.get(below);
      if (found === undefined) {
        found = new Map();
        byBelow.set(below, found);
      }
      const key = count * 2 ** 19 + pc;
      let frame = found.get(key);
      if (frame === undefined) {
        if (pcs.length >= mostStackFrames)
          throw new QuintetError('limit', 'a constraint whose stacks take too much memory');
        frame = pcs.push(pc) - 1;
        counts.push(count);
        belows.push(below);
        depths.push(below === -1 ? 1 : (depths[below] as number) + 1);
        found.set(key, frame);
      }
      return frame;
    },
    pc: (frame: number) => pcs[frame] as number,
    count: (frame: number) => counts[frame] as number,
    below: (frame: number) => belows[frame] as number,
    /** Frames from this one down. */
    depth: (frame: number) => (frame === -1 ? 0 : (depths[frame] as number)),
  };
}

const mostStackFrames = 2 ** 20;
