/** `quintet pull`: brings a model of the hub into the cache that all of Hugging Face's tools share, or a shipped one into our own. */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { kindOfPath, readFolderFiles } from '../checkpoint/index.js';
import { findModel, pullModel, type ShippedModel, shippedModel, shippedModels } from '../model/index.js';
import { QuintetError } from '../tensor/index.js';
import { openFiles } from './description.js';
import { UsageError } from './failures.js';
import { interruptible } from './interrupt.js';
import { typed } from './invocation.js';
import { modelsAddress, ownPackage } from './package.js';
import { type GlobalOptions, sourceOptions } from './settings.js';
import { note } from './terminal.js';
import { tryCommand, tryIt } from './try-it.js';

export interface PullCommandOptions extends GlobalOptions {
  readonly revision?: string;
  readonly from?: string;
}

export async function pull(name: string, options: PullCommandOptions): Promise<void> {
  const shipped = await shippedModel(name);
  const path = shipped ? await pullShipped(shipped, options) : await pullNamed(name, options);
  process.stdout.write(`${path}\n`);
  // The path alone is for programs.
  note(await nextStep(name, path));
}

/** What may be done with what was brought, or why nothing can. */
async function nextStep(name: string, path: string): Promise<string> {
  try {
    if ((await kindOfPath(path)) === 'folder') {
      const { config, adapterConfig } = await readFolderFiles(path);
      const base = adapterConfig?.base_model_name_or_path;
      if (!config && typeof base === 'string') return tryCommand(`chat ${typed(base)} --adapter ${typed(path)}`);
    }
    const { network, checkpoint } = await openFiles(path);
    await checkpoint?.close();
    return tryIt(network, name);
  } catch (error) {
    if (!(error instanceof QuintetError)) throw error;
    return `Quintet does not run it: ${error.message}`;
  }
}

async function pullNamed(name: string, options: PullCommandOptions): Promise<string> {
  const { revision, from } = options;
  if (from !== undefined) {
    const names = (await shippedModels()).map((model) => model.name);
    throw new UsageError(`--from is for the models that ship with Quintet: ${names.join(', ')}`);
  }
  const named = revision === undefined ? {} : { revision };
  return interruptible((signal) => findModel(name, { ...sourceOptions(options, signal), ...named }));
}

/** Names the variable that `--from` stands before. */
const placeVariable = 'QUINTET_MODELS';

async function pullShipped(model: ShippedModel, options: PullCommandOptions): Promise<string> {
  if (options.revision !== undefined) throw new UsageError('--revision is for models of the hub');
  const place = options.from ?? (process.env[placeVariable] || modelsAddress(ownPackage()));
  const from = place === undefined ? {} : { from: addressOf(place) };
  const { folder, brought } = await interruptible((signal) =>
    pullModel(model, { ...sourceOptions(options, signal), ...from }),
  );
  if (brought === 0) {
    note(
      `${model.name} is here already${options.from === undefined ? '' : `: nothing was brought from ${options.from}`}`,
    );
  }
  return folder;
}

/** An address as it is, and that of a folder. */
function addressOf(place: string): URL {
  if (!/^(?:https?|file):\/\//i.test(place)) return pathToFileURL(resolve(place));
  if (URL.canParse(place)) return new URL(place);
  throw new UsageError(`${place} is no address of a folder`);
}
