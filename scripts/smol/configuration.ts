/** Smol's `config.json`, and the network that it describes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src/checkpoint/checkpoint.js';
import type { GgufCheckpoint } from '../../src/checkpoint/gguf-checkpoint.js';
import { openCheckpoint } from '../../src/checkpoint/index.js';
import { viewWidths } from '../../src/parts/encoders/efficientnet-views.js';
import type { NamedViewsConfig } from '../../src/parts/input-projectors/named-views.js';
import { colorNames } from '../nano/colors.js';
import type { Art } from './art.js';
import { pictureSide } from './pictures.js';
import { modelFolder, published } from './places.js';

/** The id of <empty_output>, which no chat has. */
export const imageToken = 16;

/** How many names and how wide the heads are. */
export const namingOf = ({ concepts, flags }: Pick<Art, 'concepts' | 'flags'>): NamedViewsConfig => ({
  ...{ concepts: concepts.length, flags: flags.length, photographs: 1000, colours: colorNames.length },
  ...{ hidden: 768, ninthHidden: 1024, colourHidden: 256, views: viewWidths },
});

export async function smolConfig(art: Pick<Art, 'concepts' | 'flags'>): Promise<JsonObject> {
  const language = (await openCheckpoint(published.language)) as GgufCheckpoint;
  const text = language.config ?? {};
  await language.close();
  const naming = namingOf(art);
  return {
    model_type: 'quintet_smol',
    image_token_id: imageToken,
    vision_config: { model_type: 'quintet_efficientnet_lite', image_size: pictureSide, num_labels: 1000 },
    projector_config: {
      ...{ num_concepts: naming.concepts, num_flags: naming.flags, num_photograph_classes: naming.photographs },
      ...{ num_colors: naming.colours, hidden_size: naming.hidden, ninth_hidden_size: naming.ninthHidden },
      color_hidden_size: naming.colourHidden,
    },
    text_config: text,
    // What is composed before anything has learnt to answer has none yet.
    ...(existsSync(join(modelFolder, 'adapter')) ? { picture_adapter: 'adapter' } : {}),
  };
}
