/** `quintet trace`: one forward pass on exactly the given tensors or messages, written as named tensors. */

import { checkDestination, readTensors, writeSafetensors } from '../checkpoint/index.js';
import {
  asInputs,
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
import { type HostArray, hostArray, QuintetError, sizeOf } from '../tensor/index.js';
import { UsageError } from './failures.js';
import { formatTable } from './format.js';
import { interruptible } from './interrupt.js';
import { processMessages } from './processed.js';
import {
  isSchedulerFile,
  refuseUnused,
  type SamplingSettings,
  samplingInputs,
  samplingOutputs,
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
  for (const [name, given] of Object.entries({ '--weights': options.weights, '--kv-cache': options.kvCache })) {
    if (given === undefined || options.generate !== undefined) continue;
    throw new UsageError(`${name} is for --generate: what else is traced is computed with the numbers of the file`);
  }
  await checkDestination(outputs);
  const alone = isSchedulerFile(source) && inputs !== undefined;
  const unused = alone ? ofNetworks.find((name) => options[name] !== undefined) : undefined;
  if (unused !== undefined) throw new UsageError(`--${unused} is for models, and ${source} is a scheduler's file`);
  const all = alone
    ? chosen(await traceScheduler(source, await readTensors(inputs), options), want)
    : await interruptible((signal) => traceModel(source, options, signal));
  await writeSafetensors(outputs, all);
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
    const given = inputs === undefined ? await processMessages(model, messages as string) : await inputsIn(inputs);
    const processed = inputs === undefined ? under('processed', given) : {};
    return { ...chosen(processed, options.want), ...(await traced(model, given, options, signal)) };
  } finally {
    await model.close();
  }
}

/** Only what is wanted, where anything is said about it. */
const chosen = (arrays: HostArrays, want: readonly string[] | undefined): HostArrays =>
  want ? Object.fromEntries(Object.entries(arrays).filter(([name]) => want.includes(name))) : arrays;

/** The tensors of a file. Of one that `--messages` has written, what it made of the messages. */
async function inputsIn(file: string): Promise<HostArrays> {
  const all = await readTensors(file);
  const processed = within('processed', all);
  return Object.keys(processed).length > 0 ? processed : all;
}

const under = (folder: string, arrays: HostArrays): HostArrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${folder}/${name}`, array]));

/** The other way round; what is elsewhere is left out. */
const within = (folder: string, arrays: HostArrays): HostArrays =>
  Object.fromEntries(
    Object.entries(arrays)
      .filter(([name]) => name.startsWith(`${folder}/`))
      .map(([name, array]) => [name.slice(folder.length + 1), array]),
  );

/** What is made after the forward pass, by continuing or drawing. */
const madeLater = ['sequences', 'image_sequences', 'decoded_generated'];
const laterOf = ({ network }: Model): readonly string[] =>
  isLatentDiffusion(network) ? [...madeLater, ...samplingOutputs] : madeLater;

async function traced(
  model: Model,
  given: HostArrays,
  options: TraceCommandOptions,
  signal: AbortSignal,
): Promise<HostArrays> {
  const { want, generate, gradients } = options;
  const generating = generate === undefined ? undefined : { model: asSystem(model), count: generate };
  if (want?.includes('sequences') && generate === undefined) {
    throw new UsageError('sequences are made with --generate N');
  }
  const complete = completed(model, taken(model, given, options));
  const later = laterOf(model);
  const wanted = want?.filter((name) => !later.includes(name) && !name.startsWith('processed/'));
  const samplesOnly = options.steps !== undefined && Object.keys(complete).length === 0;
  const passes = !samplesOnly && (wanted?.length !== 0 || gradients !== undefined);
  const passed = passes
    ? await traceNetwork(model, complete, {
        signal,
        ...(wanted ? { want: wanted } : {}),
        ...(gradients ? { gradients } : {}),
      })
    : {};
  const drawn = isSystem(model)
    ? await drawing(model, complete, want, signal)
    : chosen(await painting(model, given, options, signal), want);
  if (!generating) return { ...passed, ...drawn };
  const sequences = await continueGreedily(generating.model, complete, generating.count, { signal });
  return { ...passed, ...drawn, sequences };
}

/** What sampling gives, of models that paint by it. */
async function painting(model: Model, given: HostArrays, options: TraceCommandOptions, signal: AbortSignal) {
  return isLatentDiffusion(model.network) ? tracePainting(model as Model<LatentDiffusion>, given, options, signal) : {};
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

/** The arguments that a network takes, of a file that may have those of others beside them; what is passed over is told. */
function taken({ network }: Model, given: HostArrays, { steps }: TraceCommandOptions): HostArrays {
  const { inputs, aliases } = network;
  if (!aliases) return given;
  const isTaken = (name: string) => Object.hasOwn(inputs, aliases[name] ?? name) || name.startsWith('upstream');
  const others = Object.keys(given).filter((name) => !isTaken(name));
  const unused = steps === undefined ? others : others.filter((name) => !samplingInputs.includes(name));
  if (unused.length > 0) note(`No network takes ${unused.join(', ')}.`);
  return Object.fromEntries(Object.entries(given).filter(([name]) => isTaken(name)));
}

/** The network's inputs; without a mask every token is real. */
function completed({ network }: Model, given: HostArrays): HostArrays {
  const inputs = asInputs(network, given);
  const { input_ids: ids, attention_mask: mask } = inputs;
  if (!ids || mask || !network.inputs.attention_mask) return inputs;
  const ones: HostArray = hostArray('i64', ids.shape, new Array<number>(sizeOf(ids.shape)).fill(1));
  return { ...inputs, attention_mask: ones };
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
