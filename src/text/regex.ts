/**
 * Runs the patterns of tokenizer.json by backtracking with a budget of steps. JavaScript's own RegExp cannot be stopped: a
 * hostile pattern of ten characters holds it for minutes. Here every step is counted, so a pattern that needs more than a
 * linear number of them ends in an error; the published patterns need about ten a character.
 */
import { QuintetError } from '../tensor/index.js';
import { type CharSet, union, word } from './char-set.js';
import { type Fuel, spend } from './fuel.js';
import { type Assertion, parseRegex, type RegexNode } from './regex-parse.js';

/** A match as [start, end) in UTF-16 units. */
export type Span = readonly [number, number];

export interface Regex {
  readonly source: string;
  /** All matches from left to right, as Oniguruma's iterator finds them: none overlap, no empty one follows a match. */
  matches(text: string, fuel: Fuel): Span[];
}

/** `first` tells which characters an option can start with; undefined where it may match nothing. */
interface Option {
  readonly pc: number;
  readonly first: CharSet | undefined;
}

type Instruction =
  | { readonly kind: 'set'; readonly set: CharSet }
  | {
      readonly kind: 'run';
      readonly set: CharSet;
      readonly min: number;
      readonly max: number;
      readonly giveBack: boolean;
    }
  | { readonly kind: 'choice'; readonly options: readonly Option[] }
  | { readonly kind: 'jump'; readonly pc: number }
  | {
      readonly kind: 'look';
      readonly pc: number;
      readonly back: number;
      readonly negated: boolean;
      readonly next: number;
    }
  | { readonly kind: 'atomic'; readonly pc: number; readonly next: number }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'match' };

const mostInstructions = 20_000;
const mostPending = 2 ** 24;

export function compileRegex(source: string, at: string): Regex {
  const program = compile(parseRegex(source, at), source, at);
  return {
    source,
    matches(text, fuel) {
      const found: Span[] = [];
      let position = 0;
      let lastEnd = -1;
      while (position <= text.length) {
        const end = run(program, text, 0, position, fuel, source);
        if (end > position || (end === position && end !== lastEnd)) {
          found.push([position, end]);
          lastEnd = end;
          position = end;
        } else position += width(text, position);
      }
      return found;
    },
  };
}

/** Lays the tree out as instructions; the tail of each ends in `match`. */
function compile(root: RegexNode, source: string, at: string): readonly Instruction[] {
  const program: Instruction[] = [];
  const refuse = (problem: string): QuintetError =>
    new QuintetError('tokenizer', `pattern /${source}/: ${problem}`, { at });
  const emit = (instruction: Instruction): number => {
    if (program.length >= mostInstructions) throw refuse('it is too large');
    return program.push(instruction) - 1;
  };
  const reserve = (): number => emit({ kind: 'match' });

  function write(node: RegexNode): void {
    if (node.kind === 'set') emit(node);
    else if (node.kind === 'sequence') node.items.forEach(write);
    else if (node.kind === 'assert') emit(node);
    else if (node.kind === 'choice') writeChoice(node.options);
    else if (node.kind === 'repeat') writeRepeat(node);
    else if (node.kind === 'atomic') writeAside(node.body, (pc, next) => ({ kind: 'atomic', pc, next }));
    else {
      const back = node.behind ? widthOf(node.body) : 0;
      if (back === undefined) throw refuse('a look-behind of varying length');
      writeAside(node.body, (pc, next) => ({ kind: 'look', pc, back, negated: node.negated, next }));
    }
  }

  function writeChoice(nodes: readonly RegexNode[]): void {
    const place = reserve();
    const exits: number[] = [];
    const options = nodes.map((node) => {
      const pc = program.length;
      write(node);
      exits.push(reserve());
      return { pc, first: firstOf(node) };
    });
    program[place] = { kind: 'choice', options };
    for (const exit of exits) program[exit] = { kind: 'jump', pc: program.length };
  }

  function writeRepeat({ body, min, max, mode }: RegexNode & { kind: 'repeat' }): void {
    if (mode === 'possessive' && body.kind !== 'set') {
      const greedy: RegexNode = { kind: 'repeat', body, min, max, mode: 'greedy' };
      writeAside(greedy, (pc, next) => ({ kind: 'atomic', pc, next }));
      return;
    }
    if (body.kind === 'set' && mode !== 'lazy') {
      emit({ kind: 'run', set: body.set, min, max, giveBack: mode === 'greedy' });
      return;
    }
    for (let i = 0; i < min; i++) write(body);
    const optional = (again: boolean): void => {
      const place = reserve();
      const inner: Option = { pc: program.length, first: firstOf(body) };
      write(body);
      if (again) emit({ kind: 'jump', pc: place });
      const outer: Option = { pc: program.length, first: undefined };
      program[place] = { kind: 'choice', options: mode === 'lazy' ? [outer, inner] : [inner, outer] };
    };
    if (max === Infinity) {
      // A loop round nothing would never end; no tokenizer needs one.
      if (firstOf(body) === undefined) throw refuse('a repeated group that can be empty');
      optional(true);
    } else for (let i = min; i < max; i++) optional(false);
  }

  function writeAside(body: RegexNode, make: (pc: number, next: number) => Instruction): void {
    const place = reserve();
    write(body);
    emit({ kind: 'match' });
    program[place] = make(place + 1, program.length);
  }

  write(root);
  emit({ kind: 'match' });
  return program;
}

/** The characters that a match of this node can start with, or undefined where it can be empty. */
function firstOf(node: RegexNode): CharSet | undefined {
  if (node.kind === 'set') return node.set;
  if (node.kind === 'atomic') return firstOf(node.body);
  if (node.kind === 'repeat') return node.min === 0 ? undefined : firstOf(node.body);
  if (node.kind === 'choice') {
    const firsts = node.options.map(firstOf);
    return firsts.every((set) => set !== undefined) ? union(firsts) : undefined;
  }
  if (node.kind !== 'sequence') return undefined;
  // What an optional item lets through starts with itself or with what follows.
  const sets: CharSet[] = [];
  for (const item of node.items) {
    if (item.kind === 'look' || item.kind === 'assert') continue;
    const needed = firstOf(item);
    if (needed !== undefined) return union([...sets, needed]);
    const inner = item.kind === 'repeat' ? firstOf(item.body) : undefined;
    if (inner === undefined) return undefined;
    sets.push(inner);
  }
  return undefined;
}

/** How many code points this node matches, where that is fixed. */
function widthOf(node: RegexNode): number | undefined {
  if (node.kind === 'set') return 1;
  if (node.kind === 'look' || node.kind === 'assert') return 0;
  if (node.kind === 'atomic') return widthOf(node.body);
  if (node.kind === 'repeat') {
    const each = widthOf(node.body);
    return node.min === node.max && each !== undefined ? each * node.min : undefined;
  }
  const widths = (node.kind === 'sequence' ? node.items : node.options).map(widthOf);
  if (node.kind === 'choice') return widths.every((each) => each === widths[0]) ? widths[0] : undefined;
  return widths.reduce((sum, each) => (sum === undefined || each === undefined ? undefined : sum + each), 0);
}

/** Where the match from `position` ends, or -1. Alternatives still to be tried lie on `stack` as (pc, position, lowest). */
function run(
  program: readonly Instruction[],
  text: string,
  start: number,
  position: number,
  fuel: Fuel,
  source: string,
): number {
  const stack: number[] = [];
  const aside = (pc: number, from: number): number => run(program, text, pc, from, fuel, source);
  let pc = start;
  for (;;) {
    if (--fuel.left < 0) spend(fuel, 1, `pattern /${source}/`);
    const op = program[pc] as Instruction;
    let matched = true;
    if (op.kind === 'match') return position;
    if (op.kind === 'set') {
      matched = position < text.length && op.set.has(text.codePointAt(position) as number);
      position += width(text, position);
      pc++;
    } else if (op.kind === 'run') {
      const from = position;
      let lowest = op.min === 0 ? position : -1;
      for (let count = 0; count < op.max && position < text.length; ) {
        if (!op.set.has(text.codePointAt(position) as number)) break;
        position += width(text, position);
        if (++count === op.min) lowest = position;
      }
      fuel.left -= position - from;
      matched = lowest >= 0;
      pc++;
      if (matched && op.giveBack && position > lowest) stack.push(pc, position, lowest);
    } else if (op.kind === 'choice') {
      addOptions(op.options, text, position, stack);
      matched = false;
      if (stack.length > mostPending) spend(fuel, Infinity, `pattern /${source}/`);
    } else if (op.kind === 'jump') pc = op.pc;
    else if (op.kind === 'atomic') {
      position = aside(op.pc, position);
      matched = position >= 0;
      pc = op.next;
    } else if (op.kind === 'look') {
      const from = stepBack(text, position, op.back);
      matched = (from >= 0 && aside(op.pc, from) >= 0) !== op.negated;
      pc = op.next;
    } else {
      matched = holds(op.assertion, text, position);
      pc++;
    }
    if (matched) continue;
    if (stack.length === 0) return -1;
    const lowest = stack.pop() as number;
    position = stack.pop() as number;
    pc = stack.pop() as number;
    if (position > lowest) {
      position = stepBack(text, position, 1);
      if (position > lowest) stack.push(pc, position, lowest);
    }
  }
}

/** Puts the options that can start with the next character on the stack, the first on top. */
function addOptions(options: readonly Option[], text: string, position: number, stack: number[]): void {
  const next = position < text.length ? (text.codePointAt(position) as number) : -1;
  for (let i = options.length - 1; i >= 0; i--) {
    const option = options[i] as Option;
    if (option.first !== undefined && (next < 0 || !option.first.has(next))) continue;
    stack.push(option.pc, position, position);
  }
}

function width(text: string, position: number): number {
  const unit = text.charCodeAt(position);
  return unit >= 0xd800 && unit < 0xdc00 && position + 1 < text.length ? 2 : 1;
}

/** `count` code points to the left, or -1 before the start. */
function stepBack(text: string, position: number, count: number): number {
  let at = position;
  for (let i = 0; i < count; i++) {
    if (at === 0) return -1;
    at--;
    const unit = text.charCodeAt(at);
    if (unit >= 0xdc00 && unit < 0xe000 && at > 0) at--;
  }
  return at;
}

function holds(assertion: Assertion, text: string, position: number): boolean {
  const newlineBefore = position > 0 && text.charCodeAt(position - 1) === 10;
  const newlineHere = text.charCodeAt(position) === 10;
  if (assertion === 'start') return position === 0;
  if (assertion === 'end') return position === text.length;
  if (assertion === 'line-start') return position === 0 || (newlineBefore && position < text.length);
  if (assertion === 'line-end') return position === text.length || newlineHere;
  if (assertion === 'last-line-end') return position === text.length || (newlineHere && position === text.length - 1);
  const before = position > 0 && word.has(text.codePointAt(stepBack(text, position, 1)) as number);
  const after = position < text.length && word.has(text.codePointAt(position) as number);
  return (before !== after) === (assertion === 'boundary');
}
