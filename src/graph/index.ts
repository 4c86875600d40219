export * from './functions.js';
export { gradients } from './gradient.js';
export { type Graph, graph, nameOf } from './graph.js';
export { type OpName, ops } from './ops/index.js';
export { recomputingGradients } from './recompute.js';
export { rowsOf } from './rows.js';
export type { Attributes, OpRule, Written } from './rule.js';
export { applyAll, constant, input, type Node, parameter, Tensor, topological } from './tensor.js';
export { printGraph } from './text.js';
