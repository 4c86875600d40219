/**
 * Prompts whose answers the learning model draws itself, to be rewarded: the batches of group-relative policy optimisation.
 *
 * P prompts a step, G answers each, F features of pictures
 */
import { type Dataset, dataError, padded, type Sample } from '../data/index.js';
import {
  asSystem,
  checkImageTokens,
  createProcessor,
  type GenerateOptions,
  generateTokens,
  generationDefaults,
  type Model,
  type Processor,
} from '../model/index.js';
import { alone, partOf } from '../parallel/group.js';
import { advantagesOf, type System } from '../system/index.js';
import { closeAll, concatRows, type HostArray, hostArray, ignored, QuintetError, seedFor } from '../tensor/index.js';
import { type DrawingSessions, drawingSessions } from './drawing-sessions.js';
import { drawingMemory } from './estimate/drawing.js';
import { createPreparer, type Preparer } from './prepare.js';
import type { OpenReward, Reward } from './reward.js';
import { checkPrompt } from './sample-forms.js';
import { fieldsOf, picturesOf, type SampleOptions } from './samples.js';
import { type MadeSample, stepSamples } from './step-samples.js';
import type { BatchSource } from './train.js';

export interface PromptOptions extends SampleOptions {
  readonly reward: Reward;
  /** Bytes that rewarding the answers of a step's micro-batches takes; default none that count. */
  readonly rewardMemory?: OpenReward['memory'];
  /** Answers to each prompt; default 8. */
  readonly answers?: number;
  /** Most tokens of an answer; default 256. */
  readonly maxTokens?: number;
  /** Default 1. `grpo` must know it. */
  readonly temperature?: number;
  /** Whether a group's rewards are divided by their standard deviation; default true. */
  readonly scaled?: boolean;
}

interface Prompt extends MadeSample, Awaited<ReturnType<Preparer['look']>> {
  readonly ids: readonly number[];
  readonly sample: Sample;
}

/** An answer's tokens, and what it answers. */
interface Drawn {
  readonly prompt: Prompt;
  readonly ids: readonly number[];
}

/** `batch` and `microBatch` count prompts, of which each gives as many rows as it has answers. */
export function promptBatches(model: Model<System>, dataset: Dataset, options: PromptOptions): BatchSource {
  const { network: system } = model;
  const processor = createProcessor(model);
  const { longest = system.backbone.part.context, batch, microBatch = batch, seed = 0 } = options;
  const { share = alone, once = false } = options;
  const { reward, rewardMemory: rewarding = () => 0, answers = 8, maxTokens = 256 } = options;
  const { temperature = 1, scaled = true } = options;
  if (answers < 2)
    throw new QuintetError('config', 'answers are compared with each other: at least 2', { at: 'answers' });
  const preparer = createPreparer(model, processor);
  const sessions = drawingSessions();
  const samples = stepSamples<Prompt>(dataset, { ...options, longest }, (sample) =>
    preparePrompt(sample, { system, processor, preparer, longest }),
  );
  return {
    fields: [...fieldsOf(system), 'rewards', 'advantages'],
    about: { ...samples.about, answers, maxTokens, temperature, scaled },
    accumulates: samples.accumulates,
    onPolicy: true,
    check: samples.check,
    memory: (batches, learning) => drawingMemory(learning, batches, { longest, maxTokens }) + rewarding(batches),
    async take(step, now, signal) {
      const prompts = await samples.take(step);
      const own = asSystem(now ? await now() : model);
      const asked = prompts.flatMap((prompt) => new Array<Prompt>(answers).fill(prompt));
      // Each answer is drawn as if those of the other shares, or of all prompts that come once, were drawn beside it.
      const firstRow = answers * (once ? step * batch : partOf(batch, share).from);
      const settings = { maxTokens, temperature, firstRow, seed: seedFor(seed, 'answers', once ? 0 : step) };
      const drawn = await draw(own, asked, { longest, settings, sessions, ...(signal ? { signal } : {}) });
      const rewards = drawn.length > 0 ? await rewardsOf(drawn, reward, processor) : [];
      const worth = advantagesOf(rewards, answers, { scaled });
      const size = microBatch * answers;
      return Array.from({ length: Math.ceil(drawn.length / size) }, (_, i) => {
        const part = [i * size, (i + 1) * size] as const;
        return {
          ...padded(
            drawn.slice(...part).map((row) => labelled(row, system)),
            processor.tokenizer.special.pad ?? 0,
          ),
          ...picturesOf(
            system,
            drawn.slice(...part).map(({ prompt }) => prompt),
          ),
          rewards: numbers(rewards.slice(...part)),
          advantages: numbers(worth.slice(...part)),
        };
      });
    },
    ...(once ? { rest: () => sessions.close() } : {}),
    close: () => closeAll(preparer, sessions),
  };
}

const numbers = (values: readonly number[]): HostArray => hostArray('f32', [values.length], values);

interface PromptParts {
  readonly system: System;
  readonly processor: Processor;
  readonly preparer: Preparer;
  readonly longest: number;
}

async function preparePrompt(sample: Sample, { system, processor, preparer, longest }: PromptParts): Promise<Prompt> {
  const { messages, tools, where } = sample;
  checkPrompt(sample);
  const seen = await preparer.look(sample);
  const ids = processor.encode(processor.render(messages, { prompt: true, tools }), seen.layouts);
  checkImageTokens(system, ids, { features: seen.features, at: where });
  if (system.backbone.part.encoder || ids.length < longest) return { ...seen, ids, sample };
  throw dataError(where, `the prompt takes ${ids.length} tokens, and ${longest} are all that an answer ends in`);
}

interface Drawing {
  readonly longest: number;
  readonly sessions: DrawingSessions;
  readonly settings: Required<Pick<GenerateOptions, 'maxTokens' | 'temperature' | 'firstRow' | 'seed'>>;
  readonly signal?: AbortSignal;
}

/** An answer of each prompt by the model as it is, all drawn together. */
async function draw(
  model: Model<System>,
  prompts: readonly Prompt[],
  { longest, settings, sessions, signal }: Drawing,
): Promise<Drawn[]> {
  if (prompts.length === 0) return [];
  const { stopIds = [] } = generationDefaults(model);
  const features = await featuresOf(model, prompts, sessions);
  const language = await sessions.language(model);
  const ids = prompts.map((prompt) => prompt.ids);
  const capacity = Math.min(longest, Math.max(...ids.map((row) => row.length)) + settings.maxTokens);
  const drawn = prompts.map((prompt): { prompt: Prompt; ids: number[] } => ({ prompt, ids: [] }));
  const given = { ids, ...(features ? { features } : {}) };
  for await (const { row, id } of generateTokens(language, language.start(ids.length, capacity), given, {
    ...settings,
    ...wordsAlone(model.network),
    ...(signal ? { signal } : {}),
    stopIds,
  })) {
    drawn[row]?.ids.push(id);
  }
  return drawn;
}

/** An answer has words alone: the token that pictures stand at cannot be learnt without one. */
function wordsAlone({ image, backbone }: System): Pick<GenerateOptions, 'constrain'> {
  if (!image) return {};
  const words = new Uint32Array(Math.ceil(backbone.part.vocab / 32)).fill(0xffffffff);
  words[image.token >> 5] = ~(1 << (image.token & 31)) >>> 0;
  return { constrain: () => ({ allowed: () => words, accept: () => {}, done: false }) };
}

/** The features of all prompts' pictures in order [F, D]; each prompt is looked at once. */
async function featuresOf(
  model: Model<System>,
  prompts: readonly Prompt[],
  sessions: DrawingSessions,
): Promise<HostArray | undefined> {
  const pictured = prompts.filter(({ tensors }) => tensors.pixel_values);
  if (pictured.length === 0) return undefined;
  const vision = await sessions.vision(model);
  const seen = new Map<Prompt, HostArray>();
  for (const prompt of new Set(pictured)) seen.set(prompt, await vision.run(prompt.tensors));
  return concatRows(pictured.map((prompt) => seen.get(prompt) as HostArray));
}

async function rewardsOf(
  drawn: readonly Drawn[],
  reward: Reward,
  { tokenizer }: Processor,
): Promise<readonly number[]> {
  const answers = drawn.map(({ prompt: { sample }, ids }) => ({
    prompt: sample.messages,
    answer: tokenizer.decode(ids, { skipSpecial: true }),
    record: sample.record ?? {},
  }));
  const rewards = await reward(answers);
  const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
  if (Array.isArray(rewards) && rewards.length === answers.length && rewards.every(isNumber)) return rewards;
  throw new QuintetError(
    'config',
    `the reward gave ${JSON.stringify(rewards)?.slice(0, 80)} for ${answers.length} answers`,
    {
      at: 'reward',
      hint: 'it takes a list of answers and gives a list of as many numbers',
    },
  );
}

/** The prompt and its answer, which alone is learnt. */
function labelled({ prompt, ids }: Drawn, { backbone }: System) {
  if (backbone.part.encoder) return { ids: prompt.ids, labels: ids };
  const all = [...prompt.ids, ...ids];
  return { ids: all, labels: [...prompt.ids.map(() => ignored), ...ids] };
}
