/**
 * A graph as an ONNX model. The op table uses ONNX's names, so that this is writing more than translating; what it adds
 * is the arithmetic of symbolic dimensions, which ONNX wants as integer tensors.
 */
import {
  type Attributes,
  type Graph,
  type Node,
  nameOf,
  type OpName,
  type OpRule,
  ops,
  type Tensor,
  type Written,
} from '../graph/index.js';
import {
  bytesOf,
  type Dim,
  type DType,
  formatShape,
  type HostArray,
  hostArray,
  type InitializerSource,
  lettersOf,
  QuintetError,
  type Shape,
  scalar,
  subDims,
  termsOf,
} from '../tensor/index.js';
import { jointOp, normsOfSums } from './fuse.js';
import type { OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode, OnnxValue } from './model.js';
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

/** A dimension of an input. */
interface Place {
  readonly tensor: Tensor;
  readonly axis: number;
  readonly dim: Dim;
}

/** A letter as a dimension of an input less what other letters make of it. */
type Solution = Place & { readonly less: Dim };

/** A node and how it is written. */
type Planned = Written & { readonly node: Node; readonly rule: OpRule };

class Lowering {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxInitializer[] = [];
  readonly #names = new Map<Tensor, string>();
  /** Bound parameters as stored, constants of shapes, and computed dimensions: each is made once. */
  readonly #made = new Map<string, string>();
  /** Inputs' dimensions as they are declared, and the letters that follow from them. */
  readonly #given: ReadonlyMap<Dim, Place>;
  readonly #letters: ReadonlyMap<string, Solution>;
  /** What the outputs need, once nodes are written in their own way. */
  readonly #needed: Set<Tensor>;
  #count = 0;

  constructor(
    readonly graph: Graph,
    readonly bindings: ReadonlyMap<string, Binding>,
  ) {
    this.#given = new Map(placesOf(graph).map((place) => [place.dim, place]));
    this.#letters = solveLetters(placesOf(graph));
    this.#needed = new Set(Object.values(graph.outputs));
  }

  model(): OnnxModel {
    const { graph } = this;
    const fed = [...graph.inputs, ...graph.parameters.filter((tensor) => !this.bindings.has(nameOf(tensor)))];
    for (const tensor of fed) this.#names.set(tensor, nameOf(tensor));
    const named = Object.entries(graph.outputs);
    for (const [name, tensor] of named) {
      if (isComputed(tensor.node) && !this.#names.has(tensor)) this.#names.set(tensor, name);
    }
    const plan = this.#plan();
    const norms = normsOfSums(
      plan.map(({ node }) => node),
      this.#needed,
    );
    const joined = new Set(norms.values());
    for (const planned of plan) {
      const norm = norms.get(planned.node);
      if (norm) this.#lowerNormOfSum(planned.node, norm);
      else if (!joined.has(planned.node)) this.#lowerNode(planned);
    }
    for (const [name, tensor] of named) {
      const known = this.#nameOf(tensor);
      if (known !== name) this.#emit('Identity', [known], [name]);
    }
    const describe = (name: string, { dtype, shape }: Tensor): OnnxValue => ({ name, dtype, shape });
    return {
      name: graph.name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: fed.map((tensor) => describe(nameOf(tensor), tensor)),
      outputs: named.map(([name, tensor]) => describe(name, tensor)),
      values: this.#between().map(([tensor, name]) => describe(name, tensor)),
    };
  }

  /** What is computed on the way to the outputs, where its shape has sums or products of letters. */
  #between(): (readonly [Tensor, string])[] {
    const given = new Set(Object.values(this.graph.outputs));
    return [...this.#names].filter(
      ([tensor]) => isComputed(tensor.node) && !given.has(tensor) && tensor.shape.some((dim) => /\W/.test(`${dim}`)),
    );
  }

  /** The nodes that the outputs need. A transpose that a product reads through is not among them. */
  #plan(): Planned[] {
    const plan: Planned[] = [];
    for (const node of this.graph.nodes.toReversed()) {
      if (!isComputed(node) || !node.outputs.some((output) => this.#needed.has(output))) continue;
      const rule = ops[node.kind as OpName];
      const { inputs, attributes } = node;
      const plain = { op: node.kind, domain: rule.domain ?? '', inputs, attributes };
      const written = { ...plain, ...rule.write?.(inputs, attributes) };
      for (const x of written.inputs) if (x) this.#needed.add(x);
      plan.push({ ...written, node, rule });
    }
    return plan.reverse();
  }

  // Generated names begin with a sign that no checkpoint's do.
  #fresh(hint: string): string {
    return `%${hint}${this.#count++}`;
  }

  #emit(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain = '',
  ): string {
    this.#nodes.push({ name: `${op}_${this.#nodes.length}`, op, domain, inputs, outputs, attributes });
    return outputs[0] as string;
  }

  #initializer(name: string, dtype: DType, shape: readonly number[], source: InitializerSource): string {
    this.#initializers.push({ name, dtype, shape, source });
    return name;
  }

  /** The name of what `make` makes when it is first asked for. */
  #once(key: string, make: () => string): string {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const name = make();
    this.#made.set(key, name);
    return name;
  }

  #constant(hint: string, value: HostArray): string {
    return this.#initializer(this.#fresh(hint), value.dtype, value.shape, { bytes: bytesOf(value) });
  }

  #nameOf(tensor: Tensor): string {
    const known = this.#names.get(tensor);
    if (known !== undefined) return known;
    const { value } = tensor.node;
    const name = value ? this.#constant('constant', value) : this.#bound(tensor);
    this.#names.set(tensor, name);
    return name;
  }

  /** A bound parameter in the element type that the graph computes in. */
  #bound(tensor: Tensor): string {
    const stored = this.#stored(tensor);
    return this.bindings.get(stored)?.dtype === tensor.dtype ? stored : this.#cast(stored, tensor.dtype);
  }

  /** A bound parameter as it is stored. */
  #stored(tensor: Tensor): string {
    const name = nameOf(tensor);
    const { dtype, source } = this.bindings.get(name) as Binding;
    return this.#once(`stored ${name}`, () =>
      this.#initializer(name, dtype, tensor.shape as readonly number[], source),
    );
  }

  #cast(value: string, to: DType, output = this.#fresh('cast')): string {
    return this.#emit('Cast', [value], [output], { to: { int: onnxTypes[to] } });
  }

  #lowerNode({ node, rule, op, domain, inputs, attributes }: Planned): void {
    const outputs = node.outputs.map((output, i) => {
      if (i > 0 && rule.optionalOutputs && !this.#needed.has(output)) return '';
      const name = this.#names.get(output) ?? this.#fresh('');
      this.#names.set(output, name);
      return name;
    });
    // Picked from a table as stored, then cast: the table itself is never expanded.
    const table = rule.picks ? this.#storedOtherwise(inputs[0] as Tensor) : undefined;
    const operands = inputs.map((x, i) => (i === 0 && table) || (x ? this.#nameOf(x) : ''));
    for (const key of rule.shapeInputs ?? []) operands.push(this.#shapeVector(attributes[key] as Shape));
    for (const key of rule.scalarInputs ?? []) operands.push(this.#scalarOf(attributes[key] as Dim));
    const results = table ? [this.#fresh('stored')] : outputs;
    this.#emit(op, operands, results, onnxAttributes(rule, attributes), domain);
    if (table) this.#cast(results[0] as string, (node.outputs[0] as Tensor).dtype, outputs[0] as string);
  }

  #lowerNormOfSum(sum: Node, norm: Node): void {
    const [added, normalised] = [sum.outputs[0], norm.outputs[0]].map((output) => {
      const name = this.#names.get(output as Tensor) ?? this.#fresh('');
      this.#names.set(output as Tensor, name);
      return name;
    }) as [string, string];
    const operands = [...sum.inputs, ...norm.inputs.slice(1)].map((x) => (x ? this.#nameOf(x) : ''));
    const epsilon = { float: norm.attributes.epsilon as number };
    this.#emit(jointOp(norm), operands, [normalised, '', '', added], { epsilon }, 'com.microsoft');
  }

  /** The stored form of a bound parameter that is not stored as it is computed with. */
  #storedOtherwise(tensor: Tensor): string | undefined {
    const binding = tensor.node.kind === 'Parameter' ? this.bindings.get(nameOf(tensor)) : undefined;
    return binding && binding.dtype !== tensor.dtype ? this.#stored(tensor) : undefined;
  }

  #vector(numbers: readonly number[]): string {
    return this.#once(`[${numbers}]`, () => this.#constant('shape', hostArray('i64', [numbers.length], numbers)));
  }

  #shapeVector(shape: Shape): string {
    if (shape.every((dim) => typeof dim === 'number')) return this.#vector(shape);
    return this.#once(formatShape(shape), () => {
      const parts = shape.map((dim) => this.#vectorOf(dim));
      return parts.length === 1
        ? (parts[0] as string)
        : this.#emit('Concat', parts, [this.#fresh('shape')], { axis: { int: 0 } });
    });
  }

  /** A dimension as a vector of one element. */
  #vectorOf(dim: Dim): string {
    if (typeof dim === 'number') return this.#vector([dim]);
    return this.#once(`dim ${dim}`, () => {
      const given = this.#given.get(dim);
      if (given) return this.#sizeOf(given, dim);
      const terms = termsOf(dim).map(([coefficient, letters]) => {
        const factors = letters.map((letter) => this.#letter(letter));
        if (coefficient !== 1 || factors.length === 0) factors.push(this.#vector([coefficient]));
        return factors.reduce((a, b) => this.#emit('Mul', [a, b], [this.#fresh('dim')]));
      });
      return terms.reduce((a, b) => this.#emit('Add', [a, b], [this.#fresh('dim')]));
    });
  }

  #letter(letter: string): string {
    return this.#once(`letter ${letter}`, () => {
      const source = this.#letters.get(letter);
      if (!source) {
        throw new QuintetError('shape', `no input has the dimension ${letter}`, {
          at: this.graph.name,
          hint: `inputs: ${this.graph.inputs.map((x) => `${nameOf(x)} ${formatShape(x.shape)}`).join(', ') || 'none'}`,
        });
      }
      const size = this.#sizeOf(source, letter);
      return source.less === 0 ? size : this.#emit('Sub', [size, this.#vectorOf(source.less)], [this.#fresh(letter)]);
    });
  }

  /** One dimension of an input, as a vector of one element. */
  #sizeOf({ tensor, axis }: Place, hint: string): string {
    const bounds = { start: { int: axis }, end: { int: axis + 1 } };
    return this.#emit('Shape', [this.#nameOf(tensor)], [this.#fresh(hint)], bounds);
  }

  #scalarOf(dim: Dim): string {
    return this.#once(`scalar ${dim}`, () =>
      typeof dim === 'number'
        ? this.#constant('scalar', scalar('i64', dim))
        : this.#emit('Reshape', [this.#vectorOf(dim), this.#vector([])], [this.#fresh('scalar')]),
    );
  }
}

/** Whether an op computes it: all but inputs, parameters and constants. */
function isComputed(node: Node): boolean {
  return node.name === undefined && node.value === undefined;
}

function onnxAttributes(rule: OpRule, attributes: Attributes): Record<string, OnnxAttribute> {
  const { shapeInputs = [], scalarInputs = [], typeOnly = [], floats = [], dtypes = [] } = rule;
  const elsewhere = new Set([...shapeInputs, ...scalarInputs, ...typeOnly, 'again']);
  const result: Record<string, OnnxAttribute> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (elsewhere.has(key)) continue;
    if (dtypes.includes(key)) result[key] = { int: onnxTypes[value as DType] };
    else if (typeof value === 'string') result[key] = { string: value };
    else if (typeof value === 'number') result[key] = floats.includes(key) ? { float: value } : { int: value };
    else result[key] = { ints: value as readonly number[] };
  }
  return result;
}

function placesOf(graph: Graph): Place[] {
  return graph.inputs.flatMap((tensor) => tensor.shape.map((dim, axis) => ({ tensor, axis, dim })));
}

/** For each letter, an input's dimension that gives it: the letter itself, or a sum with letters that others give. */
function solveLetters(places: readonly Place[]): Map<string, Solution> {
  const solved = new Map<string, Solution>();
  for (let progress = true; progress; ) {
    progress = false;
    for (const place of places) {
      const unknown = lettersOf(place.dim).filter((letter) => !solved.has(letter));
      const letter = unknown[0];
      if (unknown.length !== 1 || letter === undefined) continue;
      const less = subDims(place.dim, letter);
      if (lettersOf(less).includes(letter)) continue;
      solved.set(letter, { ...place, less });
      progress = true;
    }
  }
  return solved;
}
