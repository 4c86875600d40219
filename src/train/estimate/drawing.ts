/**
 * What it takes that a model answers while it learns: its sessions beside that of the step, and the cache of all answers.
 *
 * B rows, T tokens read at once, E tokens that an encoder read, S places of a cache, P of them filled before, F features
 */
import { graph } from '../../graph/index.js';
import { asSystem, cachedSide, mostTokens, ownWords, pictureFeatures, readingGraph } from '../../model/index.js';
import { type Params, rootScope } from '../../nn/index.js';
import type { HostArrays, System, Tensors } from '../../system/index.js';
import { type HostArray, ignored, toNumbers } from '../../tensor/index.js';
import { type LearningModel, sessionMemory } from './memory.js';
import { measure, type Sizes, sizesOf } from './schedule.js';

export interface AnswerLimits {
  /** Most tokens of a prompt with its answer. */
  readonly longest: number;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
}

/** A session by which answers are made. */
interface Part {
  readonly build: (p: Params) => Tensors;
  /** Of its largest run. */
  readonly run: Sizes;
  /** Of what it gives for all rows together, and how often that is there at once. */
  readonly given: Sizes;
  readonly times: number;
}

/** The most bytes that drawing the answers takes that stand in a step's micro-batches: they are drawn all together. */
export function drawingMemory(
  { model, fed }: LearningModel,
  batches: readonly HostArrays[],
  limits: AnswerLimits,
): number {
  const sessions = partsOf({ model, fed }, batches, limits).map(({ build, run, given, times }) => {
    const { p, declarations } = rootScope();
    const built = graph('answers', build(model.adapt(p)));
    const { held, values } = sessionMemory(model, built, declarations, fed);
    const { bytes } = measure(given);
    const outputs = Object.values(built.outputs).reduce((sum, output) => sum + bytes(output), 0);
    return { held: held + times * outputs, values: values(run) };
  });
  return sessions.reduce((sum, { held }) => sum + held, 0) + Math.max(...sessions.map(({ values }) => values));
}

function partsOf(
  learning: LearningModel,
  batches: readonly HostArrays[],
  { longest, maxTokens }: AnswerLimits,
): Part[] {
  const model = asSystem(learning.model);
  const { network } = model;
  const { rows, prompt, features } = answersIn(network, batches);
  const isRead = network.backbone.part.encoder !== undefined;
  const tokens = isRead ? 1 : prompt;
  const capacity = Math.min(longest, tokens + maxTokens);
  // Rows that wait for others have one place more.
  const places = (network.virtual?.count ?? 0) + capacity + (rows > 1 ? 1 : 0);
  const all = { B: rows, R: rows, T: tokens, E: prompt, F: features, S: places, P: places - tokens };
  const side = cachedSide(model, ownWords(network));
  // Rows of long prompts are read one by one, and each in parts.
  const run = sizes(tokens > mostTokens ? { ...all, B: 1, R: 1, T: mostTokens } : all);
  const parts: Part[] = [{ build: side.build, run, given: sizes(all), times: side.inPlace ? 1 : 2 }];
  if (isRead) {
    const read = sizes({ ...all, T: prompt });
    parts.push({ build: (p) => readingGraph(network, p), run: read, given: read, times: 1 });
  }
  if (network.image) {
    // One prompt's are looked at together; the language session is fed those of all rows.
    const given = pictureSizes(network, batches);
    const looked = new Map([...given, ['M', Math.ceil((given.get('M') ?? 0) / rows)]]);
    parts.push({ build: (p) => pictureFeatures(network, p), run: looked, given, times: 1 });
  }
  return parts;
}

const sizes = (letters: Readonly<Record<string, number>>): Sizes => new Map(Object.entries(letters));

/** How many answers a step has, the tokens of its longest prompt, and the features of all pictures. */
function answersIn({ image, backbone }: System, batches: readonly HostArrays[]) {
  let [rows, prompt, features] = [0, 0, 1];
  for (const { input_ids: ids, attention_mask: mask, labels } of batches as readonly Record<string, HostArray>[]) {
    const [count, width] = (ids as HostArray).shape as [number, number];
    const [present, words, learnt] = [mask, ids, labels].map((array) => toNumbers(array as HostArray));
    const isPrompt = (place: number): boolean =>
      present?.[place] === 1 && (backbone.part.encoder !== undefined || learnt?.[place] === ignored);
    for (let row = 0; row < count; row++) {
      const own = Array.from({ length: width }, (_, i) => row * width + i).filter(isPrompt);
      prompt = Math.max(prompt, own.length);
    }
    rows += count;
    if (image) features += (words ?? []).filter((id) => id === image.token).length;
  }
  return { rows, prompt, features };
}

/** The letters of all rows' pictures; of a batch it may be that they have been seen before. */
function pictureSizes({ inputs }: System, batches: readonly HostArrays[]): Sizes {
  const letters = batches.map((batch) => sizesOf(inputs, batch));
  const pictures = letters.reduce((sum, own) => sum + (own.get('M') ?? 0), 0);
  return new Map([...(letters[0] ?? []), ['M', pictures]]);
}
