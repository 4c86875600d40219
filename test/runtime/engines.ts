/** Every engine: what is said about one is tried on all. */
import { describe } from 'vitest';
import type { Engine } from '../../src/runtime/index.js';
import { nativeEngine } from '../../src/runtime/native.js';

/** Runs a block of tests for each engine. */
export function forEachEngine(body: (engine: Engine) => void): void {
  for (const engine of [nativeEngine()]) describe(`engine ${engine.name}`, () => body(engine));
}
