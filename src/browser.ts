/**
 * Quintet in a browser: opening a model over HTTP or from bytes, and talking with it. Nothing here needs Node. A run keeps
 * the thread that it is called on, so a page keeps its model in a worker; `examples/browser` shows how.
 */
export type { DownloadOptions, DownloadProgress, MemoryFiles } from './checkpoint/bytes.js';
export { loadPicture, type Picture, type PictureSource } from './media/index.js';
export { Chat, type ReplyOptions, type ReplyPiece } from './model/chat.js';
export { asSystem, isSystem, type Model, type ModelOptions } from './model/model.js';
export type { PicturedChat } from './model/prompt.js';
export { loadFromBytes, loadFromUrl } from './model/remote.js';
export { defaultEngine, type Engine, type EngineOptions } from './runtime/index.js';
export { QuintetError } from './tensor/index.js';
export type { Message } from './text/messages.js';
