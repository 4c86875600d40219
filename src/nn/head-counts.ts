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
  const width = config.count(widthName, otherwise.width);
  const heads = config.count(headsName, otherwise.heads);
  if (width % heads === 0) return { width, heads };
  throw config.wrong(headsName, `a whole number that divides ${widthName}, ${width}`);
}
