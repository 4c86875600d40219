/**
 * Quintet: builds, trains and runs multimodal language models.
 *
 *     import { asSystem, Chat, load, loadPicture } from 'quintet';
 *
 *     const model = asSystem(await load('models/nano'));
 *     const chat = await Chat.open(model);
 *     const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'What is this?' }];
 *     const messages = [{ role: 'user' as const, content }];
 *     for await (const { text } of chat.reply({ messages, pictures: [await loadPicture('photo.jpg')] })) show(text);
 *
 * This is the whole, for Node. Each folder has a sub-path of its own, such as `quintet/graph` or `quintet/text`, and
 * `quintet/browser` is what runs in a page. Only in Node there are `load`, `saveModel`, `saveConversation`,
 * `restoreConversation`, `readAdapter`, `writeAdapter`, `openCheckpoint`, `writeSafetensors`, `openDataset`, `runFile` and
 * `train` into a folder.
 */

/** Weights in files: names, shapes and values, without a model. */
export { type Checkpoint, openCheckpoint, writeSafetensors } from './checkpoint/index.js';
/** Conversations to learn from. */
export { type Dataset, mixDatasets, openDataset, type PictureData, type Sample } from './data/index.js';
/** Pictures, and what models make of them before they look. */
export { decodePicture, encodePicture, encodePng, loadPicture, type Picture } from './media/index.js';
/** Models with weights: loading, answering, drawing, tracing, saving. */
export {
  AdaptedChats,
  type AdapterChoice,
  asSystem,
  type CacheForm,
  Chat,
  type Choice,
  combineLoras,
  continueGreedily,
  createProcessor,
  type DraftOptions,
  type DrawOptions,
  draftModel,
  drawPicture,
  type GeneratedToken,
  type GenerateOptions,
  generateTokens,
  initialise,
  isSystem,
  LanguageSession,
  type LoadedAdapter,
  type LoadOptions,
  type LookupOptions,
  load,
  loadFromBytes,
  loadFromUrl,
  type Model,
  type PaintPictureOptions,
  type PicturedChat,
  type Processor,
  paintPicture,
  processPairs,
  promptLookup,
  type ReplyOptions,
  type ReplyPiece,
  readAdapter,
  restoreConversation,
  type SamplingOptions,
  type SaveOptions,
  type Speculator,
  saveConversation,
  saveModel,
  sayPicture,
  type TraceOptions,
  traceNetwork as trace,
  type WeightsOption,
  withAdapter,
  writeAdapter,
} from './model/index.js';
/** Processes that train one model together, under mpirun. */
export {
  joinProcesses,
  type Launch,
  launchOf,
  type MpiGroup,
  type ProcessGroup,
  type Share,
} from './parallel/index.js';
/** The systems of the literature. */
export * from './recipes/index.js';
/** What runs graphs: ONNX Runtime itself, or its WebAssembly build. */
export { defaultEngine, type Engine, type EngineOptions, type Session } from './runtime/index.js';
/** What systems, recipes and stages are composed of. */
export {
  type Adapter,
  type AdapterSettings,
  adafactor,
  adagrad,
  adam,
  adamax,
  adamw,
  adapterOf,
  declarationsOf,
  epochs,
  type HostArrays,
  type LoraOptions,
  lion,
  lora,
  muon,
  type Network,
  nadam,
  nextToken,
  type Objective,
  type Optimizer,
  parameterCount,
  type Recipe,
  radam,
  recipe,
  rmsprop,
  type Schedule,
  type Stage,
  type System,
  sgd,
  slot,
  steps,
  system,
} from './system/index.js';
/** Arrays, seeded randomness and the one kind of error. */
export {
  type DType,
  type ErrorCode,
  type HostArray,
  hostArray,
  QuintetError,
  Random,
  toNumbers,
} from './tensor/index.js';
/** Answers held to a form: a JSON schema, a regular expression, choices. */
export { type Constraint, type ConstraintSpec, constrain } from './text/index.js';
export type { ContentPart, Message, Role } from './text/messages.js';
/** The one training loop. */
export {
  type BatchSource,
  type EvaluateOptions,
  type Evaluation,
  type EvaluationPlan,
  evaluate,
  type RunOptions,
  type RunResult,
  report,
  runFile,
  type SampleOptions,
  type StepReport,
  sampleBatches,
  type TrainOptions,
  type TrainResult,
  train,
} from './train/index.js';
