/** Greedy continuations of exactly the given ids, as a reference implementation's `generate` gives them. */

import type { HostArrays, System } from '../system/index.js';
import { type HostArray, hostArray, toNumbers } from '../tensor/index.js';
import { checkImageTokens, checkRows } from './check-ids.js';
import { generationDefaults, specialId } from './defaults.js';
import { generateTokens } from './generate.js';
import { LanguageSession } from './language-session.js';
import type { Model } from './model.js';
import { realTokens } from './prompt.js';
import { VisionSession } from './vision.js';
import { speaking } from './with-adapter.js';

/**
 * input_ids [B, T] with their attention_mask, and pixels where there are any, continued greedily by `count` tokens:
 * [B, T+count]. After its end a row is filled with the padding token. An encoder-decoder's begin with its start token, and
 * are [B, 1+count].
 */
export async function continueGreedily(
  whole: Model<System>,
  given: HostArrays,
  count: number,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<HostArray> {
  const model = speaking(whole, given.pixel_values !== undefined);
  const prompts = realTokens(given);
  const ids = given.input_ids as HostArray;
  checkRows('input_ids', ids, { rows: model.network.backbone.part.vocab, table: 'the vocabulary' });
  const [rows, length] = ids.shape as [number, number];
  const tokens = toNumbers(ids);
  const features = given.pixel_values ? await featuresOf(model, given, signal) : undefined;
  if (features) {
    checkImageTokens(model.network, prompts.flat(), { features: features.shape[0] as number, at: 'input_ids' });
  }
  const defaults = generationDefaults(model);
  const session = await LanguageSession.open(model);
  try {
    const cache = session.start(rows, Math.max(...prompts.map((prompt) => prompt.length)) + count);
    const added: number[][] = prompts.map(() => []);
    for await (const { row, id } of generateTokens(
      session,
      cache,
      { ids: prompts, features },
      { ...defaults, temperature: 0, maxTokens: count, ...(signal ? { signal } : {}) },
    )) {
      added[row]?.push(id);
    }
    const longest = Math.max(...added.map((row) => row.length));
    const pad = specialId(model, 'pad_token_id') ?? defaults.stopIds?.[0] ?? 0;
    const { encoder } = model.network.backbone.part;
    const before = (row: number): readonly number[] =>
      encoder ? [encoder.start] : tokens.slice(row * length, (row + 1) * length);
    const all = added.flatMap((row, i) => [...before(i), ...row, ...new Array<number>(longest - row.length).fill(pad)]);
    return hostArray('i64', [rows, all.length / rows], all);
  } finally {
    await session.close();
  }
}

async function featuresOf(model: Model<System>, given: HostArrays, signal?: AbortSignal): Promise<HostArray> {
  const vision = await VisionSession.open(model);
  try {
    return await vision.run(given, signal);
  } finally {
    await vision.close();
  }
}
