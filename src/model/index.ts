export { type Compiler, compile, openSession } from './compile.js';
export { type LoadOptions, loadFolder, type Model, modelOf } from './load.js';
export { type TraceOptions, traceNetwork } from './trace.js';
export { checkpointWeights, initialWeights, type Weights } from './weights.js';
