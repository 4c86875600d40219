/** One forward pass on exactly the given tensors, and the gradients of its loss: for comparison with a reference. */

import { add, gradients, graph, input, mul, sum, type Tensor } from '../graph/index.js';
import { type Declaration, type Glob, rootScope, select } from '../nn/index.js';
import {
  type HostArrays,
  type InputType,
  inputTensors,
  type Network,
  type System,
  type Tensors,
} from '../system/index.js';
import { castArray, type HostArray, nearest, QuintetError, toNumbers } from '../tensor/index.js';
import { checkIds, checkImageTokens, checkLabels } from './check-ids.js';
import { openSession } from './compile.js';
import { isSystem, type Model } from './model.js';
import { featuresPerPicture } from './prompt.js';
import { speaking } from './with-adapter.js';

export interface TraceOptions {
  /** Names of outputs; default all. */
  readonly want?: readonly string[];
  /** Patterns over the checkpoint's parameter names, whose gradients are given as `grad/<name>`. */
  readonly gradients?: readonly Glob[];
  readonly signal?: AbortSignal;
}

/**
 * The named outputs of a network for arguments under Hugging Face's names. `upstream_<output>` (or the last word of its name)
 * weighs an output in the loss of a network that has none of its own, `upstream` the first one: the loss is their sum.
 */
export async function traceNetwork(model: Model, given: HostArrays, options: TraceOptions = {}): Promise<HostArrays> {
  const own = asInputs(model.network, given);
  const { network, adapt, weights } = speaking(model, own.pixel_values !== undefined);
  const feeds = network.prepare ? network.prepare(own) : own;
  const { p, declarations } = rootScope();
  const inputs = inputTensors(typesOf(feeds, network));
  const outputs = without(network.forward(adapt(p), inputs), network.meaningless?.(feeds) ?? []);
  const wanted = options.want ? chosen(outputs, options.want) : outputs;
  const globs = options.gradients ?? [];
  const loss = globs.length > 0 ? lossOf(outputs, Object.keys(feeds)) : undefined;
  const slopes = loss ? lossGradients(loss, declarations, globs, weights.fileName) : {};
  const all = { ...wanted, ...(loss ? { loss } : {}), ...slopes };
  const traced = graph('trace', all);
  checkIds(traced, feeds);
  if (isSystem(model)) checkText(model.network, feeds);
  // What gradients compute once more on purpose is left so.
  const purpose = globs.length > 0 ? 'train' : 'infer';
  const session = await openSession({ ...model, session: { ...model.session, purpose } }, traced, declarations);
  try {
    const used = Object.fromEntries(session.inputs.map((name) => [name, feeds[name]])) as HostArrays;
    return await session.run(used, options.signal ? { signal: options.signal } : {});
  } finally {
    await session.close();
  }
}

/** Throws 'data' where labels are no words, or pictures have not as many tokens as they give features. */
function checkText(network: System, { labels, input_ids: ids, pixel_values: pixels }: HostArrays): void {
  if (labels) checkLabels(labels, network.backbone.part.vocab);
  if (!ids || !pixels) return;
  const features = featuresPerPicture(network) * (pixels.shape[0] as number);
  checkImageTokens(network, toNumbers(ids), { features, at: 'input_ids' });
}

/** Arguments under the network's own names for them, in its types. */
export function asInputs({ inputs, aliases = {} }: Network, given: HostArrays): HostArrays {
  return Object.fromEntries(
    Object.entries(given).map(([name, array]) => {
      const own = aliases[name] ?? name;
      const type = inputs[own]?.dtype ?? (name.startsWith('upstream') ? 'f32' : array.dtype);
      return [own, castArray(array, type)];
    }),
  );
}

/** The types of the inputs that are fed: the network's, with letters where sizes vary. */
function typesOf(feeds: HostArrays, { inputs: known, groups = [], openAxes = {} }: Network): Record<string, InputType> {
  const types: Record<string, InputType> = {};
  for (const [name, array] of Object.entries(feeds)) {
    const type = known[name] && asGiven(known[name], array, openAxes[name] ?? []);
    const group = groups.findIndex((own) => own.includes(name));
    if (type) types[name] = ownLetters(type, group);
    else if (!name.startsWith('upstream')) {
      const guess = nearest(name, Object.keys(known));
      throw new QuintetError('name', `there is no input "${name}"${guess ? `; did you mean "${guess}"?` : ''}`, {
        hint: `inputs: ${Object.keys(known).join(', ')}`,
      });
    }
  }
  return types;
}

/** A type with the sizes that an array has on some axes: the graph is built for them. */
function asGiven({ dtype, shape }: InputType, array: HostArray, axes: readonly number[]): InputType {
  return { dtype, shape: shape.map((dim, axis) => (axes.includes(axis) ? (array.shape[axis] ?? dim) : dim)) };
}

/** A type whose letters are those of a group. */
function ownLetters({ dtype, shape }: InputType, group: number): InputType {
  return { dtype, shape: group < 0 ? shape : shape.map((dim) => (typeof dim === 'number' ? dim : `${dim}${group}`)) };
}

function without(outputs: Tensors, names: readonly string[]): Tensors {
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => !names.includes(name)));
}

function chosen(outputs: Tensors, want: readonly string[]): Tensors {
  return Object.fromEntries(want.map((name) => [name, outputNamed(outputs, name)]));
}

function outputNamed(outputs: Tensors, name: string): Tensor {
  const found = outputs[name];
  if (found) return found;
  const hint = `outputs: ${Object.keys(outputs).join(', ')}`;
  throw new QuintetError('name', `there is no output "${name}" for these inputs`, { hint });
}

function lossOf(outputs: Tensors, fed: readonly string[]): Tensor {
  const weighed = fed
    .filter((name) => name.startsWith('upstream'))
    .map((name) => {
      const output = outputNamed(outputs, weighedBy(name, Object.keys(outputs)));
      return sum(mul(output, input(name, output.dtype, output.shape)));
    });
  const loss = outputs.loss ?? (weighed.length > 0 ? weighed.reduce((a, b) => add(a, b)) : undefined);
  if (loss) return loss;
  throw new QuintetError('name', 'gradients need a loss', {
    hint: 'give labels, or upstream tensors that weigh outputs',
  });
}

/** The output that an upstream tensor weighs. */
function weighedBy(upstream: string, [first = '', ...others]: readonly string[]): string {
  if (upstream === 'upstream') return first;
  const short = upstream.slice('upstream_'.length);
  const ending = (word: string) =>
    [first, ...others].find((key) => key === word || ['_', '.'].some((mark) => key.endsWith(mark + word)));
  // A tower that projects its pooled vector gives the projection in its place.
  return ending(short) ?? (short === 'pooled' ? ending('embeds') : undefined) ?? short;
}

function lossGradients(
  loss: Tensor,
  declarations: ReadonlyMap<string, Declaration>,
  globs: readonly Glob[],
  fileName: (name: string) => string,
): Tensors {
  const byFileName = new Map([...declarations.values()].map((declared) => [fileName(declared.name), declared.tensor]));
  const names = select([...byFileName.keys()], globs, 'gradients');
  const slopes = gradients(
    loss,
    names.map((name) => byFileName.get(name) as Tensor),
  );
  // Parameters that the loss does not reach have no gradient, as in PyTorch.
  return Object.fromEntries(names.flatMap((name, i) => (slopes[i] ? [[`grad/${name}`, slopes[i]]] : [])));
}
