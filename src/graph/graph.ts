/** A graph: named outputs, and the inputs and parameters that they reach. */

import { QuintetError } from '../tensor/index.js';
import { simplify } from './simplify.js';
import { type Node, type Tensor, topological } from './tensor.js';

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly parameters: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** All nodes, each after those it needs. */
  readonly nodes: readonly Node[];
}

export function nameOf(tensor: Tensor): string {
  return tensor.node.name as string;
}

/** The simplified graph of named outputs. Two inputs, parameters or outputs of one name are an error. */
export function graph(name: string, outputs: Readonly<Record<string, Tensor>>): Graph {
  const names = Object.keys(outputs);
  const simpler = simplify(Object.values(outputs));
  const nodes = topological(simpler);
  const seen = new Set(names);
  const sources = (kind: Node['kind']): Tensor[] => {
    const found = nodes.filter((node) => node.kind === kind).map((node) => node.outputs[0] as Tensor);
    for (const tensor of found) {
      if (seen.has(nameOf(tensor)))
        throw new QuintetError('name', `two tensors are called "${nameOf(tensor)}"`, { at: name });
      seen.add(nameOf(tensor));
    }
    return found;
  };
  return {
    name,
    inputs: sources('Input'),
    parameters: sources('Parameter'),
    outputs: Object.fromEntries(names.map((key, i) => [key, simpler[i] as Tensor])),
    nodes,
  };
}
