/**
 * The graph: nodes and the tensors between them. A tensor knows the node that makes it; a graph is whatever its outputs
 * reach. Nothing here is mutable, and building never awaits.
 */
import {
  type Dim,
  type DType,
  formatShape,
  type HostArray,
  QuintetError,
  type Shape,
  sizeOf,
  valueAt,
} from '../tensor/index.js';
import { type OpName, ops } from './ops/index.js';
import type { Attributes } from './rule.js';

/** What a node computes: an entry of the op table, or one of three sources. */
export type NodeKind = OpName | 'Input' | 'Parameter' | 'Constant';

export interface Node {
  readonly kind: NodeKind;
  /** null stands for an optional operand that is left out. */
  readonly inputs: readonly (Tensor | null)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Tensor[];
  /** The name of an input or parameter. */
  readonly name?: string;
  /** The value of a constant. */
  readonly value?: HostArray;
}

/** One value in the graph: its element type, its shape, and where it comes from. */
export class Tensor {
  constructor(
    readonly dtype: DType,
    readonly shape: Shape,
    readonly node: Node,
    /** Which of the node's outputs this is. */
    readonly index: number,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  /** A dimension, a number or letters; negative axes count from the end. */
  dim(axis: number): Dim {
    const dim = this.shape.at(axis);
    if (dim === undefined)
      throw new QuintetError('shape', `axis ${axis} is outside the shape ${formatShape(this.shape)}`);
    return dim;
  }

  /** A dimension that must be a number. */
  size(axis: number): number {
    const dim = this.dim(axis);
    if (typeof dim !== 'number') {
      throw new QuintetError('shape', `axis ${axis} of ${formatShape(this.shape)} is ${dim}; it must be a number here`);
    }
    return dim;
  }
}

interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

function makeNode(fields: Omit<Node, 'outputs'>, types: readonly TensorType[]): Node {
  const outputs: Tensor[] = [];
  const node: Node = { ...fields, outputs };
  for (const [i, type] of types.entries()) outputs.push(new Tensor(type.dtype, type.shape, node, i));
  return node;
}

/** A named tensor that is fed when the graph runs. */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return makeNode({ kind: 'Input', inputs: [], attributes: {}, name }, [{ dtype, shape }]).outputs[0] as Tensor;
}

/** A named tensor whose value is a weight: bound to a checkpoint, or fed while it is trained. */
export function parameter(name: string, dtype: DType, shape: readonly number[]): Tensor {
  return makeNode({ kind: 'Parameter', inputs: [], attributes: {}, name }, [{ dtype, shape }]).outputs[0] as Tensor;
}

/** A value that is part of the graph. */
export function constant(value: HostArray): Tensor {
  return makeNode({ kind: 'Constant', inputs: [], attributes: {}, value }, [value]).outputs[0] as Tensor;
}

/** The one number that a constant holds everywhere, or undefined. */
export function constantValue(x: Tensor): number | undefined {
  if (x.node.kind === 'Expand') return constantValue(x.node.inputs[0] as Tensor);
  const value = x.node.value;
  return value && sizeOf(value.shape) === 1 ? valueAt(value, 0) : undefined;
}

/** All outputs of an op of the table; its shape rule checks the operands. */
export function applyAll(
  op: OpName,
  inputs: readonly (Tensor | null)[],
  attributes: Attributes = {},
): readonly Tensor[] {
  const rule = ops[op];
  let types: readonly TensorType[];
  try {
    types = rule.infer(inputs, attributes);
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    const operands = inputs.map((x) => (x ? `${x.dtype} ${formatShape(x.shape)}` : 'none')).join(', ');
    throw new QuintetError(error.code, `${op}(${operands}): ${error.message}`);
  }
  return makeNode({ kind: op, inputs, attributes }, types).outputs;
}

/** The first output of an op of the table. */
export function apply(op: OpName, inputs: readonly (Tensor | null)[], attributes: Attributes = {}): Tensor {
  return applyAll(op, inputs, attributes)[0] as Tensor;
}

/** The nodes that the given tensors need, each after those it needs itself; not those at which `stop` ends the search. */
export function topological(outputs: Iterable<Tensor>, stop: (node: Node) => boolean = () => false): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  const visit = (node: Node) => {
    if (seen.has(node) || stop(node)) return;
    seen.add(node);
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    visit(output.node);
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: Node; next: number };
      if (top.next === top.node.inputs.length) {
        order.push(top.node);
        stack.pop();
      } else {
        const operand = top.node.inputs[top.next++];
        if (operand) visit(operand.node);
      }
    }
  }
  return order;
}
