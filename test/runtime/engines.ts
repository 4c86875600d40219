/** Every engine: what is said about one is tried on all. */
import { describe } from 'vitest';
import type { Engine } from '../../src/runtime/index.js';
import { nativeEngine, webEngineInNode } from '../../src/runtime/node.js';

const engines = [nativeEngine({ threads: 1 }), await webEngineInNode()];

/** Runs a block of tests for each engine. */
export function forEachEngine(body: (engine: Engine) => void): void {
  for (const engine of engines) describe(`engine ${engine.name}`, () => body(engine));
}
