/** Finding a model by its name: a local path, Hugging Face's cache, or a download into that cache. */

import { join } from 'node:path';
import { fields, parseJson, QuintetError } from '../tensor/index.js';
import { kindOfPath, readText } from './file.js';
import { type HubProgress, type Patience, type Transfer, usualPatience } from './file-download.js';
import {
  cachedCommit,
  checkedPath,
  isCommit,
  type RepositoryCache,
  rememberCommit,
  repositoryCache,
} from './hub-cache.js';
import { downloadFile } from './hub-download.js';
import { modelFiles } from './hub-files.js';
import { type HubConnection, hubFetch, readBody, statusError } from './hub-http.js';
import { openCheckpoint } from './open.js';
import { openPipelineFolder } from './pipeline-folder.js';

export interface HubOptions {
  /** The cache's folder. */
  readonly cache: string;
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string;
  /** Takes what the cache has and asks nobody. */
  readonly offline?: boolean;
  readonly token?: string;
  /** A file with the token, where none is given; it may be missing. */
  readonly tokenFile?: string;
  /** Default https://huggingface.co */
  readonly endpoint?: string;
  /** Files of the repository to fetch instead of those that a model needs. */
  readonly files?: readonly string[];
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
  /** Default: the platform's own. */
  readonly fetch?: typeof fetch;
  readonly patience?: Patience;
}

/** What Hugging Face's variables say, by the rules of its Python library. */
export function hubOptionsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Pick<HubOptions, 'cache' | 'offline' | 'token' | 'tokenFile' | 'endpoint'> {
  const set = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const caches = set('XDG_CACHE_HOME') ?? join(set('HOME') ?? set('USERPROFILE') ?? '.', '.cache');
  const home = set('HF_HOME') ?? join(caches, 'huggingface');
  const isOn = (value = ''): boolean => /^(1|on|yes|true)$/i.test(value);
  const token = set('HF_TOKEN') ?? set('HUGGING_FACE_HUB_TOKEN');
  // Where `hf auth login` leaves it.
  const tokenFile = set('HF_TOKEN_PATH') ?? join(home, 'token');
  const unasked = isOn(set('HF_HUB_DISABLE_IMPLICIT_TOKEN')) ? {} : token === undefined ? { tokenFile } : { token };
  const endpoint = set('HF_ENDPOINT')?.replace(/\/+$/, '');
  return {
    cache: set('HF_HUB_CACHE') ?? set('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    offline: isOn(set('HF_HUB_OFFLINE') ?? set('TRANSFORMERS_OFFLINE')),
    ...unasked,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** `owner/name`, or a file within as `owner/name/path.gguf`. */
const modelName = /^([A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95})(?:\/(.+\.gguf))?$/;

/** The repository that a name means, and the file within; undefined for what can be no name on a hub, as `folder/file.gguf`. */
export function partsOfModelName(name: string): { readonly repository: string; readonly inside?: string } | undefined {
  const [, repository, inside] = modelName.exec(name) ?? [];
  if (repository === undefined || /\.\.|--/.test(repository)) return undefined;
  if (inside === undefined && repository.endsWith('.gguf')) return undefined;
  return { repository, ...(inside === undefined ? {} : { inside }) };
}

/**
 * The path of a model: a folder or file that exists as it is; otherwise a hub's model, downloaded into the cache where it
 * is not there. Returns a folder, or for `owner/name/file.gguf` the file.
 *
 * Fails with 'not-found' (no such model), 'network' (no answer, no access), 'integrity' (wrong bytes), 'io' or 'aborted'.
 */
export async function resolveModel(nameOrPath: string, options: HubOptions): Promise<string> {
  if ((await kindOfPath(nameOrPath)) !== undefined) return nameOrPath;
  const named = partsOfModelName(nameOrPath);
  if (named === undefined) {
    throw new QuintetError('not-found', 'no such file or folder, and no name on a hub, as in org/name', {
      at: nameOrPath,
    });
  }
  const { repository, inside } = named;
  const files = inside === undefined ? options.files : [checkedPath(inside)];
  const folder = await resolveRepository(repository, { ...options, ...(files === undefined ? {} : { files }) });
  return inside === undefined ? folder : join(folder, inside);
}

async function resolveRepository(repository: string, options: HubOptions): Promise<string> {
  const { revision = 'main', offline = false, files } = options;
  checkedPath(revision);
  const cache = repositoryCache(options.cache, repository);
  const cached = await cachedCommit(cache, revision);
  const complete = cached !== undefined && (await isComplete(cache.snapshot(cached), files));
  if (complete && (offline || isCommit(revision))) return cache.snapshot(cached);
  if (offline) {
    throw new QuintetError('not-found', `${repository} (${revision}) is not complete in ${options.cache}`, {
      hint: 'Offline mode (--offline, or HF_HUB_OFFLINE) forbids downloading it: switch it off once, or copy the model there.',
    });
  }
  const hub: HubConnection = {
    endpoint: addressOf(options.endpoint ?? 'https://huggingface.co'),
    token: options.token ?? (await savedToken(options.tokenFile)),
    fetch: options.fetch ?? fetch,
    signal: options.signal,
  };
  try {
    const { patience = usualPatience, onProgress = () => {} } = options;
    return await download({ hub, patience, onProgress }, cache, { repository, revision, files });
  } catch (error) {
    // Without a connection, what was there before still is.
    if (complete && error instanceof QuintetError && error.code === 'network') return cache.snapshot(cached);
    throw error;
  }
}

async function savedToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined || (await kindOfPath(file)) !== 'file') return undefined;
  return (await readText(file, 2 ** 16)).trim() || undefined;
}

/** Without a slash at the end. Fails with 'config' where it is no address. */
function addressOf(endpoint: string): string {
  if (/^https?:\/\//i.test(endpoint) && URL.canParse(endpoint)) return endpoint.replace(/\/+$/, '');
  throw new QuintetError('config', 'no address of a hub', {
    at: endpoint,
    hint: 'HF_ENDPOINT begins with https://, as in https://huggingface.co',
  });
}

interface Selection {
  readonly repository: string;
  readonly revision: string;
  readonly files: readonly string[] | undefined;
}

/** Brings what is missing of a repository into the cache; the folder of its commit. */
async function download(transfer: Transfer, cache: RepositoryCache, selection: Selection): Promise<string> {
  const { hub } = transfer;
  const { repository, revision, files } = selection;
  const { commit, all } = await listFiles(hub, repository, revision);
  const wanted = files ?? modelFiles(all, repository);
  const missing = wanted.find((file) => !all.includes(file));
  if (missing !== undefined) throw statusError(hub, 404, `${repository}/${missing}`);
  for (const path of wanted) {
    // A commit never changes, so what its folder has is right.
    if ((await kindOfPath(join(cache.snapshot(commit), checkedPath(path)))) !== undefined) continue;
    await downloadFile(transfer, cache, { repository, commit, path });
  }
  await rememberCommit(cache, revision, commit);
  return cache.snapshot(commit);
}

/** The commit behind a revision, and all paths in it. */
async function listFiles(
  hub: HubConnection,
  repository: string,
  revision: string,
): Promise<{ commit: string; all: string[] }> {
  const url = `${hub.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const response = await hubFetch(hub, url);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw statusError(hub, response.status, repository);
  }
  const listed = fields(parseJson(await readBody(hub, response, 2 ** 25), url), url);
  const commit = listed.text('sha');
  if (!isCommit(commit)) throw new QuintetError('network', `${url}: the hub names no commit`);
  return { commit, all: listed.objects('siblings').map((sibling) => sibling.text('rfilename')) };
}

/** Whether a folder of the cache has the files asked for, or every weight that its own indexes name. */
async function isComplete(folder: string, files: readonly string[] | undefined): Promise<boolean> {
  if (files !== undefined) {
    const kinds = await Promise.all(files.map((file) => kindOfPath(join(folder, file))));
    return !kinds.includes(undefined);
  }
  try {
    const isPipeline = (await kindOfPath(join(folder, 'model_index.json'))) !== undefined;
    await (isPipeline ? await openPipelineFolder(folder) : await openCheckpoint(folder)).close();
    return true;
  } catch (error) {
    if (error instanceof QuintetError) return false;
    throw error;
  }
}
