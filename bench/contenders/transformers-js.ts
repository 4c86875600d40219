/** transformers.js 4.3 on onnxruntime-node. */

import { basename, dirname } from 'node:path';
import type { Program } from '../contender.js';
import type { Settings } from '../harness/benchmark.js';
import { clip336 } from './clip.js';
import { peer } from './peer.js';

interface Package {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => unknown;
  readonly AutoModelForCausalLM: {
    from_pretrained(name: string, options: object): Promise<{ generate(options: object): Promise<unknown> }>;
  };
  readonly CLIPImageProcessor: new (settings: object) => (picture: unknown) => Promise<unknown>;
  readonly RawImage: { fromBlob(blob: Blob): Promise<unknown> };
}

export async function prepare({ path, dtype, threads }: Settings): Promise<() => Promise<Program>> {
  const library = await peer<Package>('@huggingface/transformers');
  if (path === undefined) return () => pictures(library);
  const { env, Tensor, AutoModelForCausalLM } = library;
  env.allowRemoteModels = false;
  env.localModelPath = dirname(path);
  const options = { dtype, device: 'cpu', session_options: { intraOpNumThreads: threads } };
  return async () => {
    const model = await AutoModelForCausalLM.from_pretrained(basename(path), options);
    return {
      async answer(prompts, count, onToken) {
        const dims = [prompts.length, (prompts[0] as readonly number[]).length];
        const ids = BigInt64Array.from(prompts.flat(), BigInt);
        // Told of the prompts first, then of each step.
        let puts = 0;
        const put = () => {
          if (puts++ > 0) for (const _ of prompts) onToken();
        };
        await model.generate({
          inputs: new Tensor('int64', ids, dims),
          attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
          do_sample: false,
          max_new_tokens: count,
          min_new_tokens: count,
          streamer: { put, end: () => {} },
        });
      },
    };
  };
}

async function pictures({ CLIPImageProcessor, RawImage }: Package): Promise<Program> {
  const processor = new CLIPImageProcessor(clip336);
  return {
    process: async (bytes) => processor(await RawImage.fromBlob(new Blob([bytes as Uint8Array<ArrayBuffer>]))),
  };
}
