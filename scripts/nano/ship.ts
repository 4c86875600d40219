/** Writes the weights that were trained into `models/nano`, in half precision: `npx tsx scripts/nano/ship.ts [FOLDER]`. */
import { join } from 'node:path';

import { readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { castArray } from '../../src/tensor/index.js';

const [, , from = 'runs/nano/model'] = process.argv;
const tensors = await readTensors(join(from, 'model.safetensors'));
await writeSafetensors(
  join('models', 'nano', 'model.safetensors'),
  Object.entries(tensors).map(([name, array]) => [name, castArray(array, 'f16')]),
);
