/** `quintet trace`: one forward pass on exactly the given tensors or messages, written as named tensors. */

import { checkDestination, readTensors, writeSafetensors } from '../checkpoint/index.js';
import {
  asSystem,
  continueGreedily,
  createProcessor,
  Drawer,
  isLatentDiffusion,
  isSystem,
  load,
  type Model,
  traceNetwork,
} from '../model/index.js';
import { realTokens } from '../model/prompt.js';
import type { HostArrays, LatentDiffusion, System } from '../system/index.js';
import { castArray, type HostArray, hostArray, QuintetError, sizeOf } from '../tensor/index.js';
import { UsageError } from './failures.js';
import { formatTable } from './format.js';
import { interruptible } from './interrupt.js';
import { processMessages } from './processed.js';
import { type ReferenceNames, referenceNames, renamed } from './reference-names.js';
import {
  isSchedulerFile,
  refuseUnused,
  type SamplingSettings,
  samplingInputs,
  tracePainting,
  traceScheduler,
} from './sampling.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note } from './terminal.js';

export interface TraceCommandOptions extends GlobalOptions, SamplingSettings {
  readonly inputs?: string;
  readonly messages?: string;
  readonly outputs: string;
  readonly want?: readonly string[];
  readonly generate?: number;
  readonly gradients?: readonly string[];
  readonly adapter?: string;
}

export async function trace(source: string, options: TraceCommandOptions): Promise<void> {
  const { inputs, messages, outputs, want } = options;
  if ((inputs === undefined) === (messages === undefined)) {
    throw new UsageError('give either --inputs FILE or --messages FILE');
  }
  await checkDestination(outputs);
  const alone = isSchedulerFile(source) && inputs !== undefined;
  const unused = alone ? ofNetworks.find((name) => options[name] !== undefined) : undefined;
  if (unused !== undefined) throw new UsageError(`--${unused} is for models, and ${source} is a scheduler's file`);
  const all = alone
    ? chosen(await traceScheduler(source, await readTensors(inputs), options), want)
    : await interruptible((signal) => traceModel(source, options, signal));
  await writeSafetensors(outputs, Object.entries(all));
  note(`${outputs}\n${summary(all)}`);
}

/** Options that a scheduler has no use for. */
const ofNetworks = ['generate', 'gradients', 'guidance', 'adapter'] as const;

async function traceModel(source: string, options: TraceCommandOptions, signal: AbortSignal): Promise<HostArrays> {
  const { inputs, messages, adapter } = options;
  const model = await load(source, {
    // For comparing numbers: blocks of integers are computed with as the numbers that they stand for.
    weights: 'f32',
    ...(await loadOptions(options, signal)),
    ...(adapter === undefined ? {} : { adapter }),
  });
  try {
    refuseUnused(options, isLatentDiffusion(model.network));
    const given = inputs === undefined ? await processMessages(model, messages as string) : await readTensors(inputs);
    const processed = inputs === undefined ? under('processed', given) : {};
    return { ...chosen(processed, options.want), ...(await traced(model, given, options, signal)) };
  } finally {
    await model.close();
  }
}

/** Only what is wanted, where anything is said about it. */
const chosen = (arrays: HostArrays, want: readonly string[] | undefined): HostArrays =>
  want ? Object.fromEntries(Object.entries(arrays).filter(([name]) => want.includes(name))) : arrays;

const under = (folder: string, arrays: HostArrays): HostArrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${folder}/${name}`, array]));

/** What is made after the forward pass, by continuing or drawing. */
const madeLater = ['sequences', 'image_sequences', 'decoded_generated'];

async function traced(
  model: Model,
  given: HostArrays,
  options: TraceCommandOptions,
  signal: AbortSignal,
): Promise<HostArrays> {
  const { want, generate, gradients } = options;
  const generating = generate === undefined ? undefined : { model: asSystem(model), count: generate };
  const names = referenceNames[model.network.name];
  if (names) return tracedParts(model, renamed(given, names.inputs), names, options, signal);
  if (want?.includes('sequences') && generate === undefined) {
    throw new UsageError('sequences are made with --generate N');
  }
  const complete = completed(model, given);
  const wanted = want?.filter((name) => !madeLater.includes(name) && !name.startsWith('processed/'));
  const passes = wanted?.length !== 0 || gradients !== undefined;
  const passed = passes
    ? await traceNetwork(model, complete, {
        signal,
        ...(wanted ? { want: wanted } : {}),
        ...(gradients ? { gradients } : {}),
      })
    : {};
  const drawn = isSystem(model) ? await drawing(model, complete, want, signal) : {};
  if (!generating) return { ...passed, ...drawn };
  const sequences = await continueGreedily(generating.model, complete, generating.count, { signal });
  return { ...passed, ...drawn, sequences };
}

/**
 * Where every prompt ends with the token that begins a picture: the picture's codes [B, N], drawn greedily under the model's
 * own guidance, and the pictures [B, height, width, 3] between -1 and 1.
 */
async function drawing(
  model: Model<System>,
  given: HostArrays,
  want: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<HostArrays> {
  const codes = model.network.outputs.image;
  const asked = want?.includes('image_sequences') || want?.includes('decoded_generated');
  if (codes?.kind !== 'codes' || !given.input_ids || !model.files?.tokenizer || (want && !asked)) return {};
  const begin = createProcessor(model).tokenizer.idOf(codes.begin);
  const prompts = realTokens(given);
  if (prompts.some((prompt) => prompt.at(-1) !== begin)) {
    if (!asked) return {};
    throw new QuintetError('data', `a picture is drawn where every prompt ends with ${codes.begin}`, {
      at: 'input_ids',
    });
  }
  const drawer = await Drawer.open(model);
  try {
    const drawn = await drawer.draw(prompts, { signal });
    return chosen({ image_sequences: drawn, decoded_generated: await drawer.show(drawn, signal) }, want);
  } finally {
    await drawer.close();
  }
}

/** The networks of a pipeline, each by itself, under the names that diffusers has for what goes in and comes out. */
async function tracedParts(
  model: Model,
  given: HostArrays,
  { outputs, passes }: ReferenceNames,
  { want, gradients, ...settings }: TraceCommandOptions,
  signal: AbortSignal,
): Promise<HostArrays> {
  const known = passes.flat();
  const taken = settings.steps === undefined ? known : [...known, ...samplingInputs];
  const others = Object.keys(given).filter((name) => !taken.includes(name) && !name.startsWith('upstream'));
  if (others.length > 0) note(`No network takes ${others.join(', ')}.`);
  const complete = completed(model, given);
  let all: HostArrays = {};
  for (const names of gradients ? [known] : passes) {
    const own = Object.entries(complete).filter(([name]) => names.includes(name) || name.startsWith('upstream'));
    if (own.length === 0) continue;
    const options = { signal, ...(gradients ? { gradients } : {}) };
    all = { ...all, ...renamed(await traceNetwork(model, Object.fromEntries(own), options), outputs) };
  }
  if (!isLatentDiffusion(model.network)) return chosen(all, want);
  const painted = await tracePainting(model as Model<LatentDiffusion>, given, settings, signal);
  return chosen({ ...all, ...painted }, want);
}

/** The inputs in the types that the graph has them in; without a mask every token is real. */
function completed({ network }: Model, given: HostArrays): HostArrays {
  const typed = Object.fromEntries(
    Object.entries(given).map(([name, array]) => {
      const type = network.inputs[name]?.dtype ?? (name.startsWith('upstream') ? 'f32' : array.dtype);
      return [name, castArray(array, type)];
    }),
  );
  const { input_ids: ids, attention_mask: mask } = typed;
  if (!ids || mask || !network.inputs.attention_mask) return typed;
  const ones: HostArray = hostArray('i64', ids.shape, new Array<number>(sizeOf(ids.shape)).fill(1));
  return { ...typed, attention_mask: ones };
}

/** Names, types and shapes; of many gradients only how many. */
function summary(arrays: HostArrays): string {
  const names = Object.keys(arrays).sort();
  const gradients = names.filter((name) => name.startsWith('grad/'));
  const shown = gradients.length > 8 ? names.filter((name) => !name.startsWith('grad/')) : names;
  const rows = shown.map((name) => {
    const { dtype, shape } = arrays[name] as HostArray;
    return [`  ${name}`, dtype, `[${shape.join(', ')}]`];
  });
  if (gradients.length > 8) rows.push(['  grad/*', `${gradients.length} tensors`]);
  return formatTable(rows);
}
