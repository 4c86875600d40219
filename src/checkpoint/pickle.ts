/**
 * Python's pickles, as far as a checkpoint of tensors needs them, without running anything: names of Python objects stay
 * names, and what is to be done with them is asked of the caller, who knows the few that mean something.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py, protocols 2 to 4.
 */
import { QuintetError } from '../tensor/index.js';
import { quoted } from './json-scanner.js';

/** A name of a Python object, such as `collections.OrderedDict`. */
export class PickledName {
  constructor(readonly name: string) {}
}

/** Dictionaries are maps; lists, tuples and sets are arrays; whole numbers beyond 2^53 are bigint. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickledName
  | PickledList
  | PickledMap
  | object;
export type PickledList = Pickled[];
export type PickledMap = Map<Pickled, Pickled>;

/** What the caller makes of what a pickle only names. */
export interface PickleReader {
  /** The object that a name gives when it is called with these. Throws where it is not one of those that are known. */
  call(name: string, args: readonly Pickled[]): Pickled;
  /** The object outside of the pickle that this describes. */
  persistent(id: Pickled): Pickled;
}

export interface Unpickled {
  readonly value: Pickled;
  /** Where the pickle ends. */
  readonly end: number;
}

/** The largest checkpoints have some ten thousand tensors, of about a hundred operations each. */
const mostOperations = 2 ** 21;

/** The object of the pickle that begins at `start`. Fails with 'format', 'limit' or 'unsupported'. */
export function unpickle(bytes: Uint8Array, start: number, at: string, reader: PickleReader): Unpickled {
  const machine = new Machine(bytes, start, at, reader);
  for (let i = 0; i < mostOperations; i++) {
    if (machine.step()) return { value: machine.pop(), end: machine.position };
  }
  throw new QuintetError('limit', `a pickle of more than ${mostOperations} operations`, { at });
}

const mark = Symbol('mark');
type Stacked = Pickled | typeof mark;

class Machine {
  position: number;
  readonly #view: DataView;
  readonly #stack: Stacked[] = [];
  readonly #memo = new Map<number, Pickled>();

  constructor(
    readonly bytes: Uint8Array,
    start: number,
    readonly at: string,
    readonly reader: PickleReader,
  ) {
    this.position = start;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Runs one operation; whether it was the last. */
  step(): boolean {
    const code = this.#u8();
    const operation = operations[code];
    if (operation === 'stop') return true;
    if (!operation) {
      const shown = code.toString(16).padStart(2, '0');
      throw this.#wrong(`operation 0x${shown}, which no checkpoint of tensors has`);
    }
    operation(this);
    return false;
  }

  push(value: Stacked): void {
    this.#stack.push(value);
  }

  pop(): Pickled {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) throw this.#wrong('an operand is missing');
    return value as Pickled;
  }

  /** The values above the last mark, which goes with them. */
  popToMark(): Pickled[] {
    const from = this.#stack.lastIndexOf(mark);
    if (from < 0) throw this.#wrong('a mark is missing');
    return this.#stack.splice(from).slice(1) as Pickled[];
  }

  top(): Pickled {
    const value = this.pop();
    this.push(value);
    return value;
  }

  topMap(): PickledMap {
    const value = this.top();
    if (!(value instanceof Map)) throw this.#wrong('a dictionary is missing');
    return value;
  }

  topList(): PickledList {
    const value = this.top();
    if (!Array.isArray(value)) throw this.#wrong('a list is missing');
    return value;
  }

  put(index: number): void {
    this.#memo.set(index, this.top());
  }

  /** The protocol's own numbering. */
  putNext(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#wrong(`nothing was remembered as ${index}`);
    this.push(value);
  }

  named(): void {
    this.push(new PickledName(`${this.line()}.${this.line()}`));
  }

  stackNamed(): void {
    const [name, module] = [this.pop(), this.pop()];
    if (typeof name !== 'string' || typeof module !== 'string') throw this.#wrong('a name is no text');
    this.push(new PickledName(`${module}.${name}`));
  }

  call(): void {
    const [args, name] = [this.pop(), this.pop()];
    if (!(name instanceof PickledName) || !Array.isArray(args)) throw this.#wrong('a call of what is no name');
    this.push(this.reader.call(name.name, args));
  }

  persistent(): void {
    this.push(this.reader.persistent(this.pop()));
  }

  setItems(pairs: readonly Pickled[]): void {
    const map = this.topMap();
    for (let i = 0; i + 1 < pairs.length; i += 2) map.set(pairs[i] as Pickled, pairs[i + 1] as Pickled);
  }

  u8(): number {
    return this.#u8();
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A length of eight bytes. */
  length(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** A whole number of so many bytes, two's complement. */
  long(length: number): number | bigint {
    const from = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[from + i] as number);
    if (length > 0 && (this.bytes[from + length - 1] as number) >= 0x80) value -= 1n << BigInt(8 * length);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  text(length: number): string {
    const from = this.#take(length);
    return new TextDecoder().decode(this.bytes.subarray(from, from + length));
  }

  raw(length: number): Uint8Array {
    const from = this.#take(length);
    return this.bytes.slice(from, from + length);
  }

  /** Characters up to the end of a line. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) throw this.#wrong('it ends within a name');
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }

  skip(length: number): void {
    this.#take(length);
  }

  #u8(): number {
    return this.bytes[this.#take(1)] as number;
  }

  #take(length: number): number {
    const from = this.position;
    if (from + length > this.bytes.length) throw this.#wrong('it ends too early');
    this.position += length;
    return from;
  }

  #wrong(what: string): QuintetError {
    return new QuintetError('format', `the pickle is damaged at byte ${this.position}: ${what}`, { at: this.at });
  }
}

type Operation = (machine: Machine) => void;

const popped = (machine: Machine, count: number): Pickled[] =>
  Array.from({ length: count }, () => machine.pop()).reverse();

/** By their codes. What runs code by itself, and what only old protocols have, is not among them. */
const operations: Readonly<Partial<Record<number, Operation | 'stop'>>> = {
  128: (m) => m.skip(1), // PROTO
  149: (m) => m.skip(8), // FRAME
  46: 'stop', // STOP
  40: (m) => m.push(mark), // MARK
  48: (m) => void m.pop(), // POP
  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.i32()), // BININT
  75: (m) => m.push(m.u8()), // BININT1
  77: (m) => m.push(m.u16()), // BININT2
  138: (m) => m.push(m.long(m.u8())), // LONG1
  71: (m) => m.push(m.f64()), // BINFLOAT
  88: (m) => m.push(m.text(m.u32())), // BINUNICODE
  140: (m) => m.push(m.text(m.u8())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.length())), // BINUNICODE8
  84: (m) => m.push(m.text(m.u32())), // BINSTRING
  85: (m) => m.push(m.text(m.u8())), // SHORT_BINSTRING
  66: (m) => m.push(m.raw(m.u32())), // BINBYTES
  67: (m) => m.push(m.raw(m.u8())), // SHORT_BINBYTES
  41: (m) => m.push([]), // EMPTY_TUPLE
  93: (m) => m.push([]), // EMPTY_LIST
  143: (m) => m.push([]), // EMPTY_SET
  125: (m) => m.push(new Map()), // EMPTY_DICT
  133: (m) => m.push(popped(m, 1)), // TUPLE1
  134: (m) => m.push(popped(m, 2)), // TUPLE2
  135: (m) => m.push(popped(m, 3)), // TUPLE3
  116: (m) => m.push(m.popToMark()), // TUPLE
  108: (m) => m.push(m.popToMark()), // LIST
  97: (m) => {
    const value = m.pop();
    m.topList().push(value); // APPEND
  },
  101: (m) => {
    const values = m.popToMark();
    for (const value of values) m.topList().push(value); // APPENDS
  },
  144: (m) => {
    const values = m.popToMark();
    for (const value of values) m.topList().push(value); // ADDITEMS
  },
  115: (m) => m.setItems(popped(m, 2)), // SETITEM
  117: (m) => m.setItems(m.popToMark()), // SETITEMS
  113: (m) => m.put(m.u8()), // BINPUT
  114: (m) => m.put(m.u32()), // LONG_BINPUT
  148: (m) => m.putNext(), // MEMOIZE
  104: (m) => m.get(m.u8()), // BINGET
  106: (m) => m.get(m.u32()), // LONG_BINGET
  99: (m) => m.named(), // GLOBAL
  147: (m) => m.stackNamed(), // STACK_GLOBAL
  82: (m) => m.call(), // REDUCE
  129: (m) => m.call(), // NEWOBJ
  81: (m) => m.persistent(), // BINPERSID
  // An object's own state, such as the versions that a dictionary of modules carries, is of no use here.
  98: (m) => void m.pop(), // BUILD
};

/** A readable form of what a pickle holds in place of something else. */
export function describePickled(value: Pickled): string {
  if (value instanceof PickledName) return value.name;
  if (value instanceof Map) return `a dictionary of ${value.size}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'string' ? quoted(value) : String(value);
}
