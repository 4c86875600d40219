/**
 * Quintet: what most programs need. Beside it each folder has a name of its own, such as `quintet/graph`, and each part and
 * recipe a file: `quintet/parts/encoders/clip`, `quintet/recipes/llava-1.5`.
 */
export { decodePicture, loadPicture, type Picture } from './media/index.js';
export * from './model/index.js';
export { recipeNamed, recipes } from './recipes/index.js';
export { defaultEngine, type Engine, type EngineOptions } from './runtime/index.js';
export { declarationsOf, type Network, parameterCount, type System } from './system/index.js';
export { QuintetError } from './tensor/index.js';
export * from './train/index.js';
