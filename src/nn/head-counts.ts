/** Numbers of attention heads as configurations give them. */

import type { Fields } from '../tensor/index.js';

interface SharedWidth {
  readonly width: number;
  readonly heads: number;
}

/** A width and how many heads share it in equal parts; `otherwise` is what the family takes where a file is silent. */
export function readHeads(
  config: Fields,
  otherwise: SharedWidth,
  { width: widthName, heads: headsName } = { width: 'hidden_size', heads: 'num_attention_heads' },
): SharedWidth {
  const width = config.whole(widthName, otherwise.width);
  const heads = config.whole(headsName, otherwise.heads);
  if (heads >= 1 && width % heads === 0) return { width, heads };
  throw config.wrong(headsName, `a whole number that divides ${widthName}, ${width}`);
}
