/**
 * A graph as an ONNX model. The op table uses ONNX's names, so that this is writing more than translating; what it adds
 * is the arithmetic of symbolic dimensions, which ONNX wants as integer tensors.
 */
import { type Graph, type Node, nameOf, type OpName, ops, type Tensor } from '../graph/index.js';
import {
  bytesOf,
  type Dim,
  type DType,
  formatShape,
  hostArray,
  lettersOf,
  QuintetError,
  type Shape,
  subDims,
  termsOf,
} from '../tensor/index.js';
import type { InitializerSource, OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode } from './model.js';
import { onnxTypes } from './types.js';

/** Where a parameter's value comes from. One that has no binding is fed as an input when the graph runs. */
export interface Binding {
  /** The element type as stored; another than the parameter's own is cast when the graph runs or loads. */
  readonly dtype: DType;
  readonly source: InitializerSource;
}

/** The ONNX model of a graph whose parameters are bound by name. */
export function lower(graph: Graph, bindings: ReadonlyMap<string, Binding> = new Map()): OnnxModel {
  return new Lowering(graph, bindings).model();
}

class Lowering {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxInitializer[] = [];
  readonly #names = new Map<Tensor, string>();
  /** Constants of shapes, and computed dimensions, each made once. */
  readonly #integers = new Map<string, string>();
  readonly #letters: ReadonlyMap<string, { tensor: Tensor; axis: number; less: Dim }>;
  #count = 0;

  constructor(
    readonly graph: Graph,
    readonly bindings: ReadonlyMap<string, Binding>,
  ) {
    this.#letters = solveLetters(graph);
  }

  model(): OnnxModel {
    const { graph } = this;
    const fed = graph.parameters.filter((tensor) => !this.bindings.has(nameOf(tensor)));
    for (const tensor of [...graph.inputs, ...fed]) this.#names.set(tensor, nameOf(tensor));
    for (const node of graph.nodes) this.#lowerNode(node);
    const outputs = Object.entries(graph.outputs).map(([name, tensor]) => {
      this.#emit('Identity', [this.#nameOf(tensor)], [name]);
      return { name, dtype: tensor.dtype, shape: tensor.shape };
    });
    const values = [...graph.inputs, ...fed].map((tensor) => ({
      name: nameOf(tensor),
      dtype: tensor.dtype,
      shape: tensor.shape,
    }));
    return { name: graph.name, nodes: this.#nodes, initializers: this.#initializers, inputs: values, outputs };
  }

  #fresh(hint: string): string {
    return `${hint}_${this.#count++}`;
  }

  #emit(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain = '',
  ): string {
    this.#nodes.push({ name: this.#fresh(op), op, domain, inputs, outputs, attributes });
    return outputs[0] as string;
  }

  #initializer(name: string, dtype: DType, shape: readonly number[], source: InitializerSource): string {
    this.#initializers.push({ name, dtype, shape, source });
    return name;
  }

  #nameOf(tensor: Tensor): string {
    const name = this.#names.get(tensor);
    if (name !== undefined) return name;
    const { node } = tensor;
    if (node.value) {
      return this.#name(
        tensor,
        this.#initializer(this.#fresh('c'), node.value.dtype, node.value.shape, { bytes: bytesOf(node.value) }),
      );
    }
    // A bound parameter, in the element type that the graph computes in.
    const stored = this.#stored(tensor);
    const binding = this.bindings.get(nameOf(tensor)) as Binding;
    return this.#name(tensor, binding.dtype === tensor.dtype ? stored : this.#cast(stored, tensor.dtype));
  }

  #name(tensor: Tensor, name: string): string {
    this.#names.set(tensor, name);
    return name;
  }

  /** A bound parameter as it is stored. */
  #stored(tensor: Tensor): string {
    const name = nameOf(tensor);
    const binding = this.bindings.get(name) as Binding;
    if (!this.#integers.has(name)) {
      this.#integers.set(name, this.#initializer(name, binding.dtype, tensor.shape as number[], binding.source));
    }
    return name;
  }

  #cast(value: string, to: DType): string {
    return this.#emit('Cast', [value], [this.#fresh('cast')], { to: { int: onnxTypes[to] } });
  }

  #lowerNode(node: Node): void {
    if (node.inputs.length === 0 && !ops[node.kind as OpName]) return;
    const rule = ops[node.kind as OpName];
    const outputs = node.outputs.map((output, i) => this.#name(output, this.#fresh(`t${i || ''}`)));
    const picked = rule.picks ? this.#pickStored(node, outputs) : false;
    if (picked) return;
    const fused = rule.fuse?.(node.inputs);
    if (fused) {
      const inputs = fused.inputs.map((x) => (x ? this.#nameOf(x) : ''));
      const attributes = Object.entries(fused.attributes).map(
        ([key, value]) => [key, { int: value as number }] as const,
      );
      this.#emit(fused.op, inputs, outputs, Object.fromEntries(attributes), fused.domain);
      return;
    }
    const operands = node.inputs.map((x) => (x ? this.#nameOf(x) : ''));
    for (const key of rule.shapeInputs ?? []) operands.push(this.#shapeInput(node, key));
    for (const key of rule.scalarInputs ?? []) operands.push(this.#scalarOf(node.attributes[key] as Dim));
    this.#emit(node.kind, operands, outputs, this.#attributes(node), rule.domain ?? '');
  }

  /** Gathers rows of a table as stored and casts what was gathered: the table itself is never expanded. */
  #pickStored(node: Node, outputs: readonly string[]): boolean {
    const table = node.inputs[0] as Tensor;
    const binding = table.node.kind === 'Parameter' ? this.bindings.get(nameOf(table)) : undefined;
    if (!binding || binding.dtype === table.dtype) return false;
    const others = node.inputs.slice(1).map((x) => this.#nameOf(x as Tensor));
    const rows = this.#emit(node.kind, [this.#stored(table), ...others], [this.#fresh('rows')], this.#attributes(node));
    this.#emit('Cast', [rows], outputs, { to: { int: onnxTypes[table.dtype] } });
    return true;
  }

  #attributes(node: Node): Record<string, OnnxAttribute> {
    const { shapeInputs = [], scalarInputs = [], typeOnly = [], floats = [], dtypes = [] } = ops[node.kind as OpName];
    const asInput = new Set([...shapeInputs, ...scalarInputs, ...typeOnly]);
    const result: Record<string, OnnxAttribute> = {};
    for (const [key, value] of Object.entries(node.attributes)) {
      if (asInput.has(key)) continue;
      if (dtypes.includes(key)) result[key] = { int: onnxTypes[value as DType] };
      else if (typeof value === 'string') result[key] = { string: value };
      else if (typeof value === 'number') result[key] = floats.includes(key) ? { float: value } : { int: value };
      else result[key] = { ints: value as readonly number[] };
    }
    return result;
  }

  /** An attribute that ONNX wants as a one-dimensional integer input. */
  #shapeInput(node: Node, key: string): string {
    const shape = node.attributes[key] as Shape;
    if (shape.every((dim) => typeof dim === 'number')) return this.#vector(shape as number[]);
    const x = node.inputs[0];
    // ONNX's own shorthand spares most arithmetic: 0 keeps a dimension of the operand, -1 is what remains.
    if (node.kind === 'Reshape' && x) {
      const short = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === x.shape[i] ? 0 : -1));
      if (short.filter((dim) => dim === -1).length <= 1 && !shape.includes(0)) return this.#vector(short);
    }
    if (node.kind === 'Expand' && x) {
      const offset = shape.length - x.rank;
      return this.#shapeVector(shape.map((dim, i) => (i >= offset && dim === x.shape[i - offset] ? 1 : dim)));
    }
    return this.#shapeVector(shape);
  }

  #vector(numbers: readonly number[]): string {
    const key = `[${numbers.join()}]`;
    const known = this.#integers.get(key);
    if (known !== undefined) return known;
    const value = hostArray('i64', [numbers.length], numbers);
    const name = this.#initializer(this.#fresh('shape'), 'i64', value.shape, { bytes: bytesOf(value) });
    this.#integers.set(key, name);
    return name;
  }

  #shapeVector(shape: Shape): string {
    if (shape.every((dim) => typeof dim === 'number')) return this.#vector(shape as number[]);
    const key = formatShape(shape);
    const known = this.#integers.get(key);
    if (known !== undefined) return known;
    const parts = shape.map((dim) => this.#vectorOf(dim));
    const name =
      parts.length === 1
        ? (parts[0] as string)
        : this.#emit('Concat', parts, [this.#fresh('shape')], { axis: { int: 0 } });
    this.#integers.set(key, name);
    return name;
  }

  /** A dimension as a vector of one element. */
  #vectorOf(dim: Dim): string {
    if (typeof dim === 'number') return this.#vector([dim]);
    const key = `dim ${dim}`;
    const known = this.#integers.get(key);
    if (known !== undefined) return known;
    const terms = termsOf(dim).map(([coefficient, letters]) => {
      const factors = letters.map((letter) => this.#letter(letter));
      if (coefficient !== 1 || factors.length === 0) factors.push(this.#vector([coefficient]));
      return factors.reduce((a, b) => this.#emit('Mul', [a, b], [this.#fresh('dim')]));
    });
    const name = terms.reduce((a, b) => this.#emit('Add', [a, b], [this.#fresh('dim')]));
    this.#integers.set(key, name);
    return name;
  }

  #letter(letter: string): string {
    const key = `letter ${letter}`;
    const known = this.#integers.get(key);
    if (known !== undefined) return known;
    const source = this.#letters.get(letter);
    if (!source) {
      throw new QuintetError('shape', `no input has the dimension ${letter}`, { at: this.graph.name });
    }
    const bounds = { start: { int: source.axis }, end: { int: source.axis + 1 } };
    let name = this.#emit('Shape', [this.#nameOf(source.tensor)], [this.#fresh(letter)], bounds);
    if (source.less !== 0) name = this.#emit('Sub', [name, this.#vectorOf(source.less)], [this.#fresh(letter)]);
    this.#integers.set(key, name);
    return name;
  }

  #scalarOf(dim: Dim): string {
    const key = `scalar ${dim}`;
    const known = this.#integers.get(key);
    if (known !== undefined) return known;
    let name: string;
    if (typeof dim === 'number') {
      const value = hostArray('i64', [], [dim]);
      name = this.#initializer(this.#fresh('scalar'), 'i64', [], { bytes: bytesOf(value) });
    } else {
      name = this.#emit('Reshape', [this.#vectorOf(dim), this.#vector([])], [this.#fresh('scalar')]);
    }
    this.#integers.set(key, name);
    return name;
  }
}

/** For each letter, an input's dimension that gives it: the letter itself, or a sum with letters that others give. */
function solveLetters(graph: Graph): Map<string, { tensor: Tensor; axis: number; less: Dim }> {
  const solved = new Map<string, { tensor: Tensor; axis: number; less: Dim }>();
  const dims = graph.inputs.flatMap((tensor) => tensor.shape.map((dim, axis) => ({ tensor, axis, dim })));
  for (const { tensor, axis, dim } of dims) {
    if (typeof dim === 'string' && lettersOf(dim)[0] === dim && !solved.has(dim))
      solved.set(dim, { tensor, axis, less: 0 });
  }
  for (let progress = true; progress; ) {
    progress = false;
    for (const { tensor, axis, dim } of dims) {
      const unknown = lettersOf(dim).filter((letter) => !solved.has(letter));
      const letter = unknown[0];
      if (unknown.length !== 1 || letter === undefined) continue;
      const less = subDims(dim, letter);
      if (lettersOf(less).includes(letter)) continue;
      solved.set(letter, { tensor, axis, less });
      progress = true;
    }
  }
  return solved;
}
