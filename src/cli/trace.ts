/** `quintet trace`: one forward pass on exactly the given tensors or messages, written as named tensors. */

import { openCheckpoint, writeSafetensors } from '../checkpoint/index.js';
import { asSystem, continueGreedily, load, type Model, traceNetwork } from '../model/index.js';
import type { HostArrays } from '../system/index.js';
import { castArray, type HostArray, hostArray, sizeOf } from '../tensor/index.js';
import { UsageError } from './failures.js';
import { formatTable } from './format.js';
import { onInterrupt } from './interrupt.js';
import { processMessages } from './processed.js';
import { type GlobalOptions, loadOptions } from './settings.js';
import { note } from './terminal.js';

export interface TraceCommandOptions extends GlobalOptions {
  readonly inputs?: string;
  readonly messages?: string;
  readonly outputs: string;
  readonly want?: readonly string[];
  readonly generate?: number;
  readonly gradients?: readonly string[];
  readonly adapter?: string;
}

export async function trace(source: string, options: TraceCommandOptions): Promise<void> {
  const { inputs, messages, outputs, adapter } = options;
  if ((inputs === undefined) === (messages === undefined)) {
    throw new UsageError('give either --inputs FILE or --messages FILE');
  }
  const interrupt = onInterrupt();
  const model = await load(source, {
    ...(await loadOptions(options)),
    ...(adapter === undefined ? {} : { adapter }),
  });
  try {
    const given = inputs === undefined ? await processMessages(model, messages as string) : await readTensors(inputs);
    const processed = inputs === undefined ? under('processed', given) : {};
    const all = { ...processed, ...(await traced(model, given, options, interrupt.signal)) };
    await writeSafetensors(outputs, Object.entries(all));
    note(`${outputs}\n${summary(all)}`);
  } finally {
    interrupt.forget();
    await model.close();
  }
}

/** All tensors of a safetensors file. */
async function readTensors(file: string): Promise<HostArrays> {
  const checkpoint = await openCheckpoint(file);
  try {
    const read = [...checkpoint.tensors.keys()].map(async (name) => [name, await checkpoint.read(name)] as const);
    return Object.fromEntries(await Promise.all(read));
  } finally {
    await checkpoint.close();
  }
}

const under = (folder: string, arrays: HostArrays): HostArrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${folder}/${name}`, array]));

async function traced(
  model: Model,
  given: HostArrays,
  { want, generate, gradients }: TraceCommandOptions,
  signal: AbortSignal,
): Promise<HostArrays> {
  const complete = completed(model, given);
  const outputs = want?.filter((name) => name !== 'sequences');
  const passed = await traceNetwork(model, complete, {
    signal,
    ...(outputs ? { want: outputs } : {}),
    ...(gradients ? { gradients } : {}),
  });
  if (want?.includes('sequences') && generate === undefined) {
    throw new UsageError('sequences are made with --generate N');
  }
  if (generate === undefined) return passed;
  return { ...passed, sequences: await continueGreedily(asSystem(model), complete, generate) };
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
