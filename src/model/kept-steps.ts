/** What steps of a cache in eight bits stand for, measured once for a model and kept in a file beside its packed weights. */
import { bytesAt, derivedTensors, fingerprint } from '../checkpoint/index.js';
import type { CacheSteps } from '../system/index.js';
import { arrayOfBytes, bytesOf, type HostArray, type InitializerSource } from '../tensor/index.js';
import type { KeepSteps } from './cache-steps.js';

/** Keeps steps in a file of that folder; without one they are measured by each process. */
export function stepsKeeper(folder: string | undefined): KeepSteps {
  return async (model, { channels, declarations, measure }) => {
    const { weights, weightsForm, network, path } = model;
    const all = [...declarations];
    // Of what is in no file, such as an adapter's values, a file's name says nothing.
    const inFiles = weights.files.length > 0 && all.every((declaration) => weights.stored(declaration));
    if (folder === undefined || !inFiles) return measure();
    let measured: Promise<CacheSteps> | undefined;
    const tensors = Object.entries(channels).map(([name, count]) => ({
      name,
      length: 4 * count,
      make: async () => {
        measured ??= measure();
        return bytesOf((await measured)[name] as HostArray);
      },
    }));
    // The number changes when measuring does.
    const purpose = `cache steps 1 ${weightsForm} ${network.name} ${all.map(({ name }) => name)}`;
    const source = path === undefined ? {} : { source: path };
    const places = await derivedTensors(await fingerprint(weights.files, purpose), tensors, { folder, ...source });
    const steps: Record<string, HostArray> = {};
    for (const [name, count] of Object.entries(channels)) {
      steps[name] = arrayOfBytes('f32', [count], await bytesAt(places.get(name) as InitializerSource));
    }
    return steps;
  };
}
