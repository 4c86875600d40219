/** A picture that a model draws of what a text says. */

import type { Picture } from '../media/index.js';
import type { System } from '../system/index.js';
import type { HostArray } from '../tensor/index.js';
import { Drawer, type DrawOptions } from './draw-tokens.js';
import type { Model } from './model.js';
import { createProcessor } from './prompt.js';

/** Draws what a text asks for. The default temperature is 1, as the models were published with: greedy pictures are flat. */
export async function drawPicture(model: Model<System>, text: string, options: DrawOptions = {}): Promise<Picture> {
  const drawer = await Drawer.open(model);
  try {
    const codes = await drawer.draw([drawingPrompt(drawer, text)], { temperature: 1, ...options });
    return pictureOf(await drawer.show(codes, options.signal));
  } finally {
    await drawer.close();
  }
}

/** The tokens of a chat in which a user asks for a picture, up to where it begins. */
export function drawingPrompt({ model, codes }: Drawer, text: string): number[] {
  const { render, encode } = createProcessor(model);
  return encode(render([{ role: 'user', content: text }], { prompt: true, preamble: false }) + codes.begin, []);
}

/** One picture [1, height, width, 3] between -1 and 1, in levels rounded down as the reference rounds them. */
export function pictureOf({ shape, data }: HostArray): Picture {
  const [, height, width] = shape as [number, number, number, number];
  const level = (x: number): number => Math.min(255, Math.max(0, Math.floor((x + 1) * 127.5)));
  return { width, height, data: Uint8Array.from(data as Float32Array, level) };
}
