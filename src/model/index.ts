export { type Compiler, compile, openSession } from './compile.js';
export { type GeneratedToken, type GenerateOptions, generateTokens, type Prompts } from './generate.js';
export { type Cache, type LanguageEnds, LanguageSession, type NewTokens, ownWords } from './language-session.js';
export { type LoadOptions, loadFolder, type Model, modelOf } from './load.js';
export { type LoadedAdapter, readAdapter, writeAdapter } from './peft.js';
export { type Choice, choose, type SamplingOptions } from './sample.js';
export { type TraceOptions, traceNetwork } from './trace.js';
export { checkpointWeights, initialWeights, layeredWeights, type Weights } from './weights.js';
