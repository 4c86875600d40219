/** What a model is made of, as data: from its configuration and its files' headers, without loading weights. */

import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  type Checkpoint,
  type FolderFiles,
  isQuantised,
  kindOfPath,
  openModel,
  partsOfModelName,
  quantisedTypes,
  readFolderFiles,
  type StoredTensor,
} from '../checkpoint/index.js';
import { input } from '../graph/index.js';
import {
  bytesByForm,
  checkpointWeights,
  findModel,
  isLatentDiffusion,
  networkIn,
  pictureAdapterIn,
  type SourceOptions,
  shippedModel,
  typesIn,
  type WeightsOption,
  wholeFolder,
} from '../model/index.js';
import { type Declaration, rootScope, select } from '../nn/index.js';
import { networkOf, recipes } from '../recipes/index.js';
import {
  type AdapterSettings,
  declarationsOf,
  growingCache,
  isSystem,
  learningOf,
  type Network,
  parameterCount,
  rememberedMemory,
  type Stage,
  type System,
} from '../system/index.js';
import { closeOnFailure, dtypes, fields, QuintetError, sizeOf } from '../tensor/index.js';
import { UsageError } from './failures.js';

export interface Description {
  readonly name: string;
  readonly paper?: string;
  /** The folder or file; none of a recipe. */
  readonly path?: string;
  /** Other sizes of the recipe, and checkpoints that it reads. */
  readonly sizes?: readonly string[];
  readonly published?: readonly string[];
  readonly parts: readonly PartDescription[];
  readonly parameters: number;
  readonly memory: MemoryDescription;
  /** Tokens that the model can look back on. */
  readonly context?: number;
  readonly stages: readonly StageDescription[];
  /** The folder of the adapter that takes part where a conversation holds a picture. */
  readonly pictureAdapter?: string;
  /** Jinja source. */
  readonly chatTemplate?: string;
  readonly weights?: WeightsDescription;
}

/** A part in its place, or what has no place of its own. */
export interface PartDescription {
  readonly kind: string;
  readonly prefix: string;
  readonly parameters: number;
}

/** In bytes, in f32 where nothing else is said. */
export interface MemoryDescription {
  readonly weights: number;
  /** All weights by how those of the language model are held, where it can be told. */
  readonly forms?: Readonly<Record<WeightsOption, number>>;
  /** Keys and values of one token. */
  readonly cachePerToken?: number;
  /** Weights, gradients and AdamW's two moments of all parameters, without activations. */
  readonly training: number;
}

export interface StageDescription {
  readonly name: string;
  readonly train: readonly string[];
  readonly adapter?: AdapterSettings;
  readonly trained: number;
  readonly objective: string;
  readonly data?: string;
  readonly batch: number;
  readonly length: Stage['length'];
  readonly lr: number;
}

export interface WeightsDescription {
  readonly tensors: number;
  /** Bytes by type. */
  readonly types: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** What does not fit the configuration; absent where everything does. */
  readonly problem?: string;
}

export interface Described {
  readonly description: Description;
  readonly network: Network;
  readonly declarations: ReadonlyMap<string, Declaration>;
}

/** Describes a recipe, a folder, a file or a model of the hub, of which only `config.json` is fetched if it is not there. */
export async function describe(source: string, size: string | undefined, hub: SourceOptions): Promise<Described> {
  const [name = '', sizeInName] = source.split(':');
  const recipe = recipes.find((known) => known.name === name);
  if (recipe && !(await hasWeights(source, size, hub))) {
    if (size !== undefined && sizeInName !== undefined) {
      throw new UsageError(`two sizes: ${source} and --size ${size}`);
    }
    const network = recipe.of(size ?? sizeInName);
    return withForms(ofNetwork(network, { sizes: recipe.sizes, published: recipe.published }));
  }
  if (size !== undefined) throw new QuintetError('name', 'only recipes have sizes', { at: source });
  const path = await resolve(source, hub);
  const { network, files, checkpoint } = await openFiles(path);
  try {
    const described = ofNetwork(network, { path, ...adapterIn(files), ...templateOf(files) });
    if (!checkpoint) return withForms(described);
    const { weights, typeOf } = weightsOf(checkpoint, described, path);
    const whole = { ...described, description: { ...described.description, weights } };
    return typeOf ? withForms(whole, typeOf) : whole;
  } finally {
    await checkpoint?.close();
  }
}

/** Whether what is called as a recipe is a path, or a shipped model of which all is here and no size was asked for. */
async function hasWeights(source: string, size: string | undefined, { models }: SourceOptions): Promise<boolean> {
  if ((await kindOfPath(source)) !== undefined) return true;
  const shipped = size === undefined ? await shippedModel(source) : undefined;
  return shipped !== undefined && (await wholeFolder(shipped, models)) !== undefined;
}

/** What there is, or of a model on the hub its configuration alone. */
async function resolve(source: string, hub: SourceOptions): Promise<string> {
  try {
    return await findModel(source, { ...hub, offline: true });
  } catch (error) {
    const isElsewhere = error instanceof QuintetError && error.code === 'not-found' && partsOfModelName(source);
    if (!isElsewhere || hub.offline) throw error;
    return findModel(source, { ...hub, files: ['config.json'] });
  }
}

/** A model's files and its network; the caller closes `checkpoint`, which is not there where no weights are. */
export async function openFiles(
  path: string,
): Promise<{ readonly network: Network; readonly files: FolderFiles; readonly checkpoint?: Checkpoint }> {
  try {
    const files = await openModel(path);
    const { checkpoint } = files;
    return await closeOnFailure([checkpoint], async () => {
      const { network } = await networkIn(files);
      return { network, files, checkpoint };
    });
  } catch (error) {
    const hasNoWeights = error instanceof QuintetError && error.code === 'not-found';
    if (!hasNoWeights || !(await stat(path)).isDirectory()) throw error;
    const files = await readFolderFiles(path);
    if (!files.config) throw error;
    return { network: networkOf(fields(files.config, 'config.json')), files };
  }
}

function adapterIn(files: FolderFiles): { pictureAdapter?: string } {
  const name = pictureAdapterIn(files);
  return name === undefined ? {} : { pictureAdapter: name };
}

function templateOf({ chatTemplates }: FolderFiles): { chatTemplate?: string } {
  const template = chatTemplates.get('default');
  return template === undefined ? {} : { chatTemplate: template };
}

type TypeOf = Parameters<typeof bytesByForm>[2];

function ofNetwork(network: Network, more: Partial<Description>): Described {
  const declarations = declarationsOf(network);
  const parameters = parameterCount(declarations.values());
  const system = isSystem(network) ? network : undefined;
  const stages = 'stages' in network ? (network.stages as readonly Stage[]) : [];
  const description: Description = {
    name: network.name,
    ...(network.paper === undefined ? {} : { paper: network.paper }),
    ...more,
    parts: partsOf(network, declarations),
    parameters,
    memory: {
      weights: 4 * parameters,
      ...(system ? { cachePerToken: cachePerToken(system) } : {}),
      training: 16 * parameters,
    },
    ...(system && Number.isFinite(system.backbone.part.context) ? { context: system.backbone.part.context } : {}),
    stages: stages.map((stage) => stageOf(stage, network)),
  };
  return { description, network, declarations };
}

/**
 * With what the weights take in each form, where the file has them in these types. Half of an encoder-decoder stays as it is
 * and shares its words with the other half, so that none of the numbers would be right.
 */
function withForms(described: Described, typeOf: TypeOf = () => 'f32'): Described {
  const { network, declarations, description } = described;
  if (!isSystem(network) || network.backbone.part.encoder) return described;
  const forms = bytesByForm(network, declarations, typeOf);
  return { ...described, description: { ...description, memory: { ...description.memory, forms } } };
}

interface Place {
  readonly part: { readonly kind: string };
  readonly prefix: string;
}

function placesOf(network: Network): readonly Place[] {
  if (isLatentDiffusion(network)) return [network.text, network.denoiser, network.autoencoder];
  if (!isSystem(network)) return [];
  const { image, backbone } = network;
  return image ? [image.encoder, image.projector, backbone] : [backbone];
}

/** Parameters by the longest prefix of a part that their names have; what belongs to none, by where it stands. */
function partsOf(network: Network, declarations: ReadonlyMap<string, Declaration>): PartDescription[] {
  const places = placesOf(network);
  const counts = new Map<string, { readonly kind: string; readonly prefix: string; parameters: number }>();
  for (const { part, prefix } of places) counts.set(prefix, { kind: part.kind, prefix, parameters: 0 });
  const prefixes = [...counts.keys()].sort((a, b) => b.length - a.length);
  for (const [name, declaration] of declarations) {
    const own = prefixes.find((prefix) => prefix === '' || name.startsWith(`${prefix}.`)) ?? rootOf(name, prefixes);
    const entry = counts.get(own) ?? { kind: 'other', prefix: own, parameters: 0 };
    entry.parameters += parameterCount([declaration]);
    counts.set(own, entry);
  }
  return [...counts.values()];
}

/** The shortest beginning of a name within which no part stands. */
function rootOf(name: string, prefixes: readonly string[]): string {
  const steps = name.split('.');
  const length = steps.findIndex((_, i) => {
    const root = `${steps.slice(0, i + 1).join('.')}.`;
    return !prefixes.some((prefix) => prefix.startsWith(root));
  });
  return steps.slice(0, length + 1).join('.');
}

/** Bytes of keys and values of what was written, from the shapes that the backbone's layers ask for. */
function cachePerToken({ backbone: { part, prefix } }: System): number {
  const context = growingCache();
  const memory = part.encoder ? { memory: rememberedMemory() } : {};
  const embeddings = input('embeddings', 'f32', ['B', 'T', part.width]);
  part.forward(rootScope().p.at(prefix), embeddings, { ...context, ...memory });
  return context.layers.reduce((bytes, { kvHeads, headWidth }) => bytes + 4 * 2 * kvHeads * headWidth, 0);
}

function stageOf(stage: Stage, network: Network): StageDescription {
  const { name, train, adapter, objective, data, batch, length, optimizer } = stage;
  const learning = learningOf(stage);
  const declarations = declarationsOf(network, learning.adapt);
  const trained = select([...declarations.keys()], learning.train, `stage ${name}`);
  return {
    name,
    train,
    ...(adapter ? { adapter } : {}),
    trained: parameterCount(trained.map((key) => declarations.get(key) as Declaration)),
    objective: objective.name,
    ...(data === undefined ? {} : { data }),
    ...{ batch, length, lr: optimizer.lr },
  };
}

function bytesPerValue(dtype: StoredTensor['dtype']): number {
  if (dtype === 'bnb4') return 1 / 2;
  if (!isQuantised(dtype)) return dtypes[dtype].bytes;
  const { values, bytes } = quantisedTypes[dtype];
  return bytes / values;
}

interface WeightsFound {
  readonly weights: WeightsDescription;
  /** Where they fit the network. */
  readonly typeOf?: TypeOf;
}

function weightsOf(checkpoint: Checkpoint, { network, declarations }: Described, path: string): WeightsFound {
  const types: Record<string, number> = {};
  for (const { dtype, shape } of checkpoint.tensors.values()) {
    types[dtype] = (types[dtype] ?? 0) + sizeOf(shape) * bytesPerValue(dtype);
  }
  const bytes = Object.values(types).reduce((a, b) => a + b, 0);
  const described = { tensors: checkpoint.tensors.size, types, bytes };
  try {
    const weights = checkpointWeights(network, declarations, checkpoint, basename(path));
    return { weights: described, typeOf: typesIn({ weights, declarations }) };
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    return { weights: { ...described, problem: error.message } };
  }
}
