/** A language model that sees: LLaVA's form of CLIP's ViT-B/16, a perceptron, and the language model of a folder. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, load } from '../../src/index.js';
import { saveModel } from '../../src/model/index.js';

/** The side of a picture in pixels, and how many places it takes in a text. */
export const [pictureSide, places] = [224, 196];

/** Its `config.json`; `token` is the id that stands where pictures are. */
export const picturedConfig = (folder: string, token: number): Record<string, unknown> => ({
  ...{ model_type: 'llava', image_token_index: token, vision_feature_layer: -1 },
  ...{ vision_feature_select_strategy: 'default', projector_hidden_act: 'gelu' },
  vision_config: {
    ...{ model_type: 'clip_vision_model', hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12 },
    ...{ num_attention_heads: 12, image_size: pictureSide, patch_size: 16, projection_dim: 512 },
  },
  text_config: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')),
});

/** Writes it into a folder, with weights at random. */
export async function writePictured(engine: Engine, folder: string, config: Record<string, unknown>): Promise<void> {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const made = await load(folder, { engine, fresh: 1 });
  await saveModel(made, folder);
  await made.close();
}
