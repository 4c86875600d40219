/** Where Smol's making keeps its files; ignored by git, but for what is shipped. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');

/** What a file of YAML or JSON beside the scripts says. */
export const readBeside = (name: string): unknown => parse(readFileSync(join(here, name), 'utf8'));

/** Published weights, as `scripts/fetch-weights.ts` leaves them. */
export const published = {
  encoder: join(root, '.cache', 'weights', 'efficientnet-lite0', 'efficientnet-lite0-57934424.pth'),
  language: join(root, '.cache', 'weights', 'smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'),
} as const;

/** Drawings, what the encoder sees of pictures, and what training leaves behind. */
export const workFolder = join(root, 'runs', 'smol');

/** The model that is shipped. */
export const modelFolder = join(root, 'models', 'smol');
