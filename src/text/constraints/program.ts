/**
 * A grammar as instructions for a machine with a stack. Each knows what comes after it, and how many frames of the stack it
 * takes at least to come to an end; what cannot end is left out, so that the machine never runs into a dead end.
 */
import { atOnce, type InParts, QuintetError } from '../../tensor/index.js';
import {
  type CodePoints,
  charactersOf,
  codePoints,
  complement,
  everything,
  has,
  includes,
  intersection,
  union,
} from './code-points.js';
import type { Grammar, Language } from './language.js';

export type Instruction =
  /** The end of a rule or of the body of a repetition. */
  | { readonly kind: 'return' }
  | { readonly kind: 'set'; readonly set: CodePoints; readonly next: number }
  | { readonly kind: 'split'; readonly options: readonly number[] }
  | { readonly kind: 'call'; readonly rule: number; readonly next: number }
  | {
      readonly kind: 'repeat';
      readonly body: number;
      readonly min: number;
      readonly max: number;
      readonly next: number;
      /** Whether any plain character is a whole repetition. */
      readonly plain: boolean;
    };

export interface Program {
  readonly instructions: readonly Instruction[];
  /** Where each rule begins. */
  readonly starts: readonly number[];
  /** Of each instruction, the frames it takes at least to come to the end of its rule; Infinity where it cannot. */
  readonly heights: Float64Array;
}

export const returnAt = 0;
/** Frames of the stack: a level of nested values takes one. */
export const mostFrames = 256;
export const mostInstructions = 2 ** 18;

/** What JSON strings may hold as it is and `.` matches; in most texts nearly every character is one of these. */
export const plain: CodePoints = complement(union(codePoints([0, 0x1f]), charactersOf('"\\\u2028\u2029')));

/** In characters of an alphabet. Throws 'limit' where the grammar is too large, 'constraint' where no text satisfies it. */
export const compile = (...compiled: Parameters<typeof compileInParts>): Program => atOnce(compileInParts(...compiled));

/** The same in parts, rule by rule. */
export function* compileInParts({ rules }: Grammar, alphabet: CodePoints = everything): InParts<Program> {
  const instructions: Instruction[] = [{ kind: 'return' }];
  const emit = (instruction: Instruction): number => {
    if (instructions.length >= mostInstructions) throw tooLarge(`of more than ${mostInstructions} instructions`);
    return instructions.push(instruction) - 1;
  };

  /** Where to begin for `node` and then `next`. */
  function write(node: Language, next: number): number {
    if (node.kind === 'set') return emit({ kind: 'set', set: within(node.set), next });
    if (node.kind === 'sequence') return node.items.reduceRight((after, item) => write(item, after), next);
    if (node.kind === 'choice') return split(node.options.map((option) => write(option, next)));
    if (node.kind === 'words') return writeWords(spelledOut(node.words), 0, next);
    if (node.kind === 'rule') return emit({ kind: 'call', rule: node.rule, next });
    const { body, min, max } = node;
    if (min === 0 && max === 1) return split([write(body, next), next]);
    return emit({ kind: 'repeat', body: write(body, returnAt), min, max, next, plain: takesPlain(body, ownPlain) });
  }

  const within = (set: CodePoints): CodePoints => (alphabet === everything ? set : intersection(set, alphabet));
  const ownPlain = within(plain);
  const single = (code: number): CodePoints => (has(alphabet, code) ? codePoints([code, code]) : codePoints());

  const split = (options: readonly number[]): number => emit({ kind: 'split', options });

  /** Sorted words that are equal up to `depth`, as a tree: what several begin with is there once. */
  function writeWords(sorted: readonly (readonly number[])[], depth: number, next: number): number {
    const [first, final] = [sorted[0], sorted.at(-1)];
    if (first === undefined || final === undefined) return split([]);
    let common = depth;
    while (common < first.length && common < final.length && first[common] === final[common]) common++;
    const options: number[] = first.length === common ? [next] : [];
    for (let from = options.length; from < sorted.length; ) {
      const code = sorted[from]?.[common];
      let to = from + 1;
      while (to < sorted.length && sorted[to]?.[common] === code) to++;
      options.push(writeWords(sorted.slice(from, to), common, next));
      from = to;
    }
    // A single word is all in common with itself.
    let after = options.length === 1 ? (options[0] as number) : split(options);
    for (let i = common - 1; i >= depth; i--) {
      const code = first[i] as number;
      after = emit({ kind: 'set', set: single(code), next: after });
    }
    return after;
  }

  const ends: number[] = [];
  const starts: number[] = [];
  for (const body of rules) {
    starts.push(write(body, returnAt));
    ends.push(instructions.length);
    yield;
  }
  const rounds = roundsOver(ends);
  const heights = heightsOf(instructions, starts, rounds);
  if ((heights[starts[0] as number] as number) > mostFrames) {
    throw new QuintetError('constraint', 'no text satisfies the constraint', {
      hint: 'parts of it contradict each other, or a value must hold one like itself without end',
    });
  }
  yield;
  checkLoops(instructions, starts, nullable(instructions, starts, rounds));
  return { instructions, starts, heights };
}

export function tooLarge(what: string): QuintetError {
  return new QuintetError('limit', `a constraint ${what}`, { hint: 'simplify the schema or the pattern' });
}

/** The code points of words, without repeats, in order. */
function spelledOut(texts: readonly string[]): readonly (readonly number[])[] {
  const codes = [...new Set(texts)].map((text) => Array.from(text, (char) => char.codePointAt(0) as number));
  return codes.sort((a, b) => {
    const differs = a.findIndex((code, i) => code !== b[i]);
    return differs < 0 ? a.length - b.length : (a[differs] as number) - (b[differs] ?? -1);
  });
}

function takesPlain(body: Language, plainOnes: CodePoints): boolean {
  if (body.kind === 'set') return includes(body.set, plainOnes);
  return body.kind === 'choice' && body.options.some((option) => takesPlain(option, plainOnes));
}

/** Updates every instruction until none changes. */
type Rounds = (update: (pc: number) => boolean) => void;

/** Within a rule, instructions lead to earlier ones; rules are taken from the first on and from the last on in turn. */
function roundsOver(ends: readonly number[]): Rounds {
  const blocks = ends.map((end, i) => [i === 0 ? 0 : (ends[i - 1] as number), end] as const);
  const orders = [blocks, blocks.toReversed()];
  const size = ends.at(-1) ?? 0;
  return (update) => {
    // The first round may change nothing where the second does.
    for (let round = 0, still = 0; still < 2; round++) {
      if (round * size > 1e8) throw tooLarge('whose rules lead to each other in too long a chain');
      let changed = false;
      for (const [from, to] of orders[round % 2] as typeof blocks)
        for (let pc = from; pc < to; pc++) changed = update(pc) || changed;
      still = changed ? 0 : still + 1;
    }
  };
}

/** The least fixed point. */
function heightsOf(instructions: readonly Instruction[], starts: readonly number[], rounds: Rounds): Float64Array {
  const heights = new Float64Array(instructions.length).fill(Number.POSITIVE_INFINITY);
  const at = (pc: number): number => heights[pc] as number;
  const heightOf = (instruction: Instruction): number => {
    if (instruction.kind === 'return') return 0;
    if (instruction.kind === 'set')
      return instruction.set.ranges.length === 0 ? Number.POSITIVE_INFINITY : at(instruction.next);
    if (instruction.kind === 'split')
      return instruction.options.reduce((min, pc) => Math.min(min, at(pc)), Number.POSITIVE_INFINITY);
    if (instruction.kind === 'call') {
      const frame = instruction.next === returnAt ? 0 : 1;
      return Math.max(at(starts[instruction.rule] as number) + frame, at(instruction.next));
    }
    return instruction.min === 0 ? at(instruction.next) : Math.max(at(instruction.body) + 1, at(instruction.next));
  };
  rounds((pc) => {
    const height = heightOf(instructions[pc] as Instruction);
    if (height >= at(pc)) return false;
    heights[pc] = height;
    return true;
  });
  return heights;
}

/** Refuses rules that lead to themselves before any character. */
function checkLoops(instructions: readonly Instruction[], starts: readonly number[], empty: readonly boolean[]): void {
  /** The rules that a rule may begin with. */
  const calls = starts.map((start) => {
    const found = new Set<number>();
    const seen = new Set<number>();
    const pending = [start];
    for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
      if (seen.has(pc)) continue;
      seen.add(pc);
      const instruction = instructions[pc] as Instruction;
      if (instruction.kind === 'split') for (const option of instruction.options) pending.push(option);
      else if (instruction.kind === 'repeat') {
        pending.push(instruction.body);
        if (instruction.min === 0 || empty[instruction.body]) pending.push(instruction.next);
      } else if (instruction.kind === 'call') {
        found.add(instruction.rule);
        if (empty[starts[instruction.rule] as number]) pending.push(instruction.next);
      }
    }
    return found;
  });
  // What is left when rules that begin with nothing are taken away, again and again, is a loop.
  const callers = starts.map((): number[] => []);
  for (const [caller, found] of calls.entries()) for (const called of found) callers[called]?.push(caller);
  const left = calls.map((found) => found.size);
  const done = left.flatMap((count, i) => (count === 0 ? [i] : []));
  for (const called of done) {
    for (const caller of callers[called] as number[]) {
      left[caller] = (left[caller] as number) - 1;
      if (left[caller] === 0) done.push(caller);
    }
  }
  if (done.length < starts.length) {
    throw new QuintetError('constraint', 'a rule leads to itself with nothing in between');
  }
}

/** Whether the empty text leads from an instruction to the end of its rule. */
function nullable(instructions: readonly Instruction[], starts: readonly number[], rounds: Rounds): readonly boolean[] {
  const empty = instructions.map(() => false);
  const isEmpty = (instruction: Instruction): boolean => {
    if (instruction.kind === 'return') return true;
    if (instruction.kind === 'set') return false;
    if (instruction.kind === 'split') return instruction.options.some((pc) => empty[pc]);
    const next = empty[instruction.next] === true;
    if (instruction.kind === 'call') return next && empty[starts[instruction.rule] as number] === true;
    return next && (instruction.min === 0 || empty[instruction.body] === true);
  };
  rounds((pc) => {
    if (empty[pc] || !isEmpty(instructions[pc] as Instruction)) return false;
    empty[pc] = true;
    return true;
  });
  return empty;
}
