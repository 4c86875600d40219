/** `quintet info`: what a model is made of. */

import { graph, printGraph } from '../graph/index.js';
import { type Declaration, rootScope } from '../nn/index.js';
import { inputTensors, type Network } from '../system/index.js';
import { formatShape } from '../tensor/index.js';
import { type Description, describe, type StageDescription } from './description.js';
import { formatBytes, formatCount, formatTable } from './format.js';
import { interruptible } from './interrupt.js';
import { type GlobalOptions, sourceOptions } from './settings.js';
import { bold, printable } from './terminal.js';

export interface InfoOptions extends GlobalOptions {
  readonly size?: string;
  readonly parameters?: boolean;
  readonly graph?: boolean;
  readonly json?: boolean;
}

export async function info(source: string, options: InfoOptions): Promise<void> {
  const { network, declarations, description } = await interruptible((signal) =>
    describe(source, options.size, sourceOptions(options, signal)),
  );
  const { json = false, parameters = false } = options;
  if (options.graph) process.stdout.write(graphText(network));
  else if (json) process.stdout.write(`${JSON.stringify(asJson(description, declarations, parameters), null, 2)}\n`);
  else if (parameters) process.stdout.write(`${printable(parameterTable(declarations), process.stdout)}\n`);
  else process.stdout.write(`${page(description)}\n`);
}

/** The forward pass on everything that the network may be given. */
function graphText({ name, inputs, forward }: Network): string {
  return printGraph(graph(name, forward(rootScope().p, inputTensors(inputs))));
}

type Declarations = ReadonlyMap<string, Declaration>;

function asJson(description: Description, declarations: Declarations, all: boolean) {
  const shapes = Object.fromEntries([...declarations.values()].map(({ name, shape }) => [name, shape]));
  return all ? { ...description, shapes } : description;
}

function parameterTable(declarations: Declarations): string {
  return formatTable([...declarations.values()].map(({ name, shape }) => [name, formatShape(shape)]));
}

function page(description: Description): string {
  const { name, paper, path, sizes, published = [], parts, parameters, context, stages, pictureAdapter } = description;
  const title = [bold(name, process.stdout), ...(paper ? [paper] : []), ...(path ? [path] : [])].join('  ');
  const rows = parts.map((part) => [`  ${part.kind}`, part.prefix || '(no prefix)', formatCount(part.parameters)]);
  const sections = [
    `Parts\n${formatTable([...rows, ['  total', '', `${formatCount(parameters)} (${parameters} parameters)`]])}`,
    `Memory, without activations\n${formatTable(memoryRows(description))}`,
    ...(context === undefined ? [] : [`Context  ${context} tokens`]),
    ...(pictureAdapter === undefined ? [] : [`Adapter  ${pictureAdapter}, where a conversation holds a picture`]),
    ...(stages.length === 0 ? [] : [`Stages\n${formatTable(stages.map(stageRow))}`]),
    ...weightsSection(description),
    ...templateSection(description),
    ...(sizes ? [`Sizes  ${sizes.join(', ')}`] : []),
    ...(published.length > 0 ? [`Published  ${published.join(', ')}`] : []),
  ];
  return [title, ...sections.map((section) => printable(section, process.stdout))].join('\n\n');
}

function memoryRows({ memory, context }: Description): string[][] {
  const { weights, forms = { f32: weights }, cachePerToken, training } = memory;
  const rows = Object.entries(forms).map(([form, bytes]) => [`  weights, ${form}`, formatBytes(bytes)]);
  if (cachePerToken !== undefined) {
    const whole = context === undefined ? '' : `, ${formatBytes(cachePerToken * context)} for the whole context`;
    rows.push(['  keys and values', `${formatBytes(1000 * cachePerToken)} for 1000 tokens${whole}`]);
  }
  rows.push(['  training all of it', `${formatBytes(training)} (weights, gradients, AdamW)`]);
  return rows;
}

function stageRow(stage: StageDescription): string[] {
  const { name, trained, objective, data, batch, length, lr } = stage;
  const long =
    'steps' in length ? `${length.steps} steps` : `${length.epochs} ${length.epochs === 1 ? 'epoch' : 'epochs'}`;
  const what = `${long} of ${batch}${data ? `, ${data}` : ''}`;
  return [
    `  ${name}`,
    objective,
    `rate ${lr.toExponential()}`,
    what,
    `trains ${formatCount(trained)}: ${learning(stage).join(', ')}`,
  ];
}

/** What learns: patterns over names, and an adapter by its kind and the layers that it is for. */
function learning({ train, adapter }: StageDescription): readonly string[] {
  if (!adapter) return train;
  const { kind } = adapter;
  const on = 'on' in adapter ? adapter.on : [];
  return [...train, [kind, ...('rank' in adapter ? [`of rank ${adapter.rank}`] : []), 'on', on.join(', ')].join(' ')];
}

function weightsSection({ weights }: Description): string[] {
  if (!weights) return [];
  const types = Object.entries(weights.types).map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  const summary = `Weights  ${weights.tensors} tensors, ${formatBytes(weights.bytes)}: ${types.join(', ')}`;
  return [weights.problem === undefined ? summary : `${summary}\n${weights.problem}`];
}

function templateSection({ chatTemplate, path }: Description): string[] {
  if (path === undefined) return [];
  if (chatTemplate === undefined) return ['Chat template  none: what messages say is written one after another'];
  return [`Chat template\n${chatTemplate.trimEnd().replaceAll(/^/gm, '  ')}`];
}
