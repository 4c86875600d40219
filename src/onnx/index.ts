export { type ExternalRange, onnxBytes } from './bytes.js';
export { type Binding, lower } from './lower.js';
export type { OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode, OnnxValue } from './model.js';
export { onnxTypes } from './types.js';
