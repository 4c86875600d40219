export { AdaptedChats, type AdapterChoice } from './adapted-chats.js';
export { Chat, type ReplyOptions, type ReplyPiece } from './chat.js';
export { checkImageTokens } from './check-ids.js';
export { combineLoras, type Weighted } from './combine.js';
export { type Compiler, compile, holding, openSession } from './compile.js';
export { continueGreedily } from './continue.js';
export { restoreConversation, saveConversation } from './conversation-file.js';
export { cutText } from './cut-text.js';
export { generationDefaults } from './defaults.js';
export {
  captionReader,
  type Generator,
  isLatentDiffusion,
  Painter,
  type PainterOptions,
  type PaintOptions,
} from './diffuse.js';
export { drawPicture } from './draw-picture.js';
export { Drawer, type DrawOptions, drawTokens } from './draw-tokens.js';
export type { CacheForm, WeightsOption } from './forms.js';
export { type GeneratedToken, type GenerateOptions, generateTokens, type Prompts } from './generate.js';
export { type Cache, cachedSide, type LanguageEnds, mostTokens, ownWords, readingGraph } from './language-graph.js';
export { LanguageSession, type NewTokens } from './language-session.js';
export { begunValues, learntValues } from './learnt-adapter.js';
export { type LoadOptions, load, pictureAdapterIn, underAdapter } from './load.js';
export { asSystem, initialise, isSystem, type Model, type ModelOptions, modelOf } from './model.js';
export type { PackingOptions } from './packed.js';
export { bytesByForm, typesIn } from './packing-plan.js';
export { type PaintPictureOptions, paintPicture } from './paint-picture.js';
export { createTextReader, processPairs } from './pairs.js';
export {
  checkWritable,
  findAdapter,
  fitsBeside,
  isOfRewardModel,
  type LoadedAdapter,
  readAdapter,
  writeAdapter,
} from './peft/index.js';
export { createProcessor, featuresPerPicture, type PicturedChat, type Processor, tokenizerOf } from './prompt.js';
export { type Pulled, type PullOptions, pullModel } from './pull.js';
export { loadFromBytes, loadFromUrl } from './remote.js';
export { rewardModel } from './reward-model.js';
export type { Choice, SamplingOptions } from './sample.js';
export { folderOf, type SaveOptions, saveModel } from './save.js';
export { savePictured } from './save-pictured.js';
export { conditionOf, generatorTokenizerOf, sayPicture } from './say-picture.js';
export { type ShippedFile, type ShippedModel, shippedModel, shippedModels, wholeFolder } from './shipped.js';
export { checkModelName, findModel, findShipped, type SourceOptions } from './source.js';
export { type DraftOptions, draftModel, type LookupOptions, promptLookup, type Speculator } from './speculate.js';
export { asInputs, type TraceOptions, traceNetwork } from './trace.js';
export { modelsCache, weightsCache } from './user-cache.js';
export { pictureFeatures, VisionSession } from './vision.js';
export { checkpointWeights, initialWeights, layeredWeights, networkIn, type Weights } from './weights.js';
export { withAdapter, withoutAdapter } from './with-adapter.js';
