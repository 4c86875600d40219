/** Writing latent diffusion in the layout of diffusers: `model_index.json`, and a folder for each component. */

import { copyFile, cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isComponentName,
  type LazyTensor,
  makeFolder,
  readJson,
  saveCheckpoint,
  writeAtomically,
} from '../checkpoint/index.js';
import { fields, QuintetError } from '../tensor/index.js';
import { changedJson } from './config-text.js';

export interface PipelineSaving {
  /** What the pipeline came from. */
  readonly source: string;
  /** Under the names of the joined checkpoint, whose first step is the component. */
  readonly tensors: readonly (readonly [name: string, tensor: LazyTensor])[];
  /** As transformers writes it. */
  readonly dtype: string;
  readonly maxShardBytes?: number;
}

const index = 'model_index.json';

/** Components whose tensors are given are written anew, the others as they are. */
export async function savePipeline(folder: string, saving: PipelineSaving): Promise<void> {
  const { source, tensors, maxShardBytes } = saving;
  const file = join(source, index);
  const components = Object.entries(fields(await readJson(file), file).raw);
  await makeFolder(folder);
  for (const [name, value] of components) {
    if (!isComponentName(name) || !Array.isArray(value) || typeof value[0] !== 'string') continue;
    const own = tensors.flatMap(([full, tensor]): [string, LazyTensor][] =>
      full.startsWith(`${name}.`) ? [[full.slice(name.length + 1), tensor]] : [],
    );
    const [from, to] = [join(source, name), join(folder, name)];
    if (own.length === 0) {
      // The files of a hub's cache are links into it.
      await cp(from, to, { recursive: true, dereference: true });
      continue;
    }
    const stem = value[0] === 'diffusers' ? 'diffusion_pytorch_model' : 'model';
    await saveCheckpoint(to, own, { stem, ...(maxShardBytes === undefined ? {} : { maxShardBytes }) });
    await copySettings(from, to, value[0] === 'transformers' ? saving.dtype : undefined);
  }
  await copyFile(file, join(folder, index));
}

/** The configuration of a component, with the type of its numbers where its library keeps it there. */
async function copySettings(from: string, to: string, dtype: string | undefined): Promise<void> {
  const names = (await readdir(from)).filter(
    (name) => /\.(json|txt|jinja)$/.test(name) && !name.endsWith('.index.json'),
  );
  if (!names.includes('config.json')) {
    throw new QuintetError('not-found', 'the component has no config.json', { at: from });
  }
  for (const name of names.filter((name) => name !== 'config.json')) await copyFile(join(from, name), join(to, name));
  const config = await readFile(join(from, 'config.json'), 'utf8');
  const text =
    dtype === undefined
      ? config
      : changedJson(config, 'config.json', ({ torch_dtype: _, ...rest }) => ({ ...rest, dtype }));
  await writeAtomically(join(to, 'config.json'), (file) => file.writeFile(text));
}
