/** The systems of the literature, a line each. */

export { bert, bertMasked } from './bert.js';
export { blip2 } from './blip-2.js';
export { blip2Retrieval } from './blip-2-retrieval.js';
export { clip } from './clip.js';
export { clipTextAlone, clipVisionAlone } from './clip-towers.js';
export { efficientNetLite } from './efficientnet.js';
export { gemma2 } from './gemma2.js';
export { gemma3 } from './gemma3.js';
export { gill } from './gill.js';
export { gpt2 } from './gpt2.js';
export { idefics3 } from './idefics3.js';
export { janus } from './janus.js';
export { llama } from './llama.js';
export { llava15 } from './llava-1.5.js';
export { mistral } from './mistral.js';
export { mixtral } from './mixtral.js';
export { nano } from './nano.js';
export { opt } from './opt.js';
export { phi3 } from './phi3.js';
export { qwen2 } from './qwen2.js';
export { qwen3 } from './qwen3.js';
export { siglip, siglipVisionAlone } from './siglip.js';
export { smol } from './smol.js';
export { stableDiffusion } from './stable-diffusion.js';
export { t5 } from './t5.js';
export { pictureAutoencoder, vqgan } from './vqgan.js';
