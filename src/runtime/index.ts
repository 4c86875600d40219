export type { Engine, RunOptions, Session, SessionOptions } from './engine.js';
