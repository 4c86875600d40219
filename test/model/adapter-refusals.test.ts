/** What an adapter's files may ask for that would give other numbers if it were passed over. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { type LoadedAdapter, load, type Model, readAdapter } from '../../src/model/index.js';
import { type HostArray, hostArray, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath } from '../fixture.js';
import { temporaryFolder } from '../temporary.js';

let llama: Model;
let gpt2: Model;
beforeAll(async () => {
  llama = await load(`${fixturePath('adapters')}/model`, { engine });
  gpt2 = await load(`${fixturePath('adapters-tied')}/model`, { engine });
});
afterAll(async () => {
  await llama.close();
  await gpt2.close();
});

/** An adapter of a fixture with other settings. */
function changed(from: string, settings: Readonly<Record<string, unknown>>): string {
  const to = temporaryFolder();
  cpSync(`${fixturePath(from.split('/')[0] as string)}/adapters/${from.split('/')[1]}`, to, { recursive: true });
  const path = join(to, 'adapter_config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...settings }));
  return to;
}

const read = (folder: string, { network, declarations }: Model): Promise<LoadedAdapter> =>
  readAdapter(folder, network, declarations);

test.each([
  ['lora_bias', true],
  ['use_qalora', true],
  ['use_bdlora', { nblocks: 2 }],
  ['alora_invocation_tokens', [5, 6]],
  [
    'layer_replication',
    [
      [0, 2],
      [1, 2],
    ],
  ],
  ['target_parameters', ['mlp.experts.gate_up_proj']],
  ['kasa_config', {}],
  ['monteclora_config', { num_samples: 2 }],
  ['velora_config', { num_groups: 64 }],
])('%s is refused by its name', async (name, value) => {
  await expect(read(changed('adapters/lora', { [name]: value }), llama)).rejects.toThrow(
    `adapter_config.json: ${name} is not supported`,
  );
});

test.each(['pissa', 'pissa_niter_4', 'olora', 'corda', 'loftq', 'lora_ga'])(
  'LoRA that began as %s, and changed the base by it, is refused',
  async (begins) => {
    const reading = read(changed('adapters/lora', { init_lora_weights: begins }), llama);
    await expect(reading).rejects.toThrow(/it changes the base too.*path_initial_model_for_weight_conversion/s);
  },
);

test('what changes nothing that is computed is passed over', async () => {
  const settings = {
    init_lora_weights: 'gaussian',
    fan_in_fan_out: true,
    lora_dropout: 0.3,
    target_parameters: null,
    layer_replication: [],
    lora_bias: false,
  };
  const [plain, other] = [
    await read(changed('adapters/lora', {}), llama),
    await read(changed('adapters/lora', settings), llama),
  ];
  expect(other.settings).toEqual(plain.settings);
});

test('DoRA of a table of embeddings is refused', async () => {
  const reading = read(changed('adapters/lora-embedding', { use_dora: true }), llama);
  await expect(reading).rejects.toThrow(/use_dora is not supported for model\.embed_tokens, a table of embeddings/);
});

/** The adapter whose table and head learnt together, with other tensors. */
async function tensorsChanged(change: (tensors: Record<string, HostArray>) => void): Promise<string> {
  const folder = changed('adapters-tied/lora-whole-table', {});
  const path = join(folder, 'adapter_model.safetensors');
  const tensors = await readTensors(path);
  change(tensors);
  await writeSafetensors(path, Object.entries(tensors), {});
  return folder;
}

const headKey = 'base_model.model.lm_head.weight';

test('a table that learnt apart from the head that is tied to it, or the head from the table, is refused', async () => {
  const apart = /the head is tied to transformer\.wte: in this adapter they learnt apart.*ensure_weight_tying/s;
  const tableAlone = await tensorsChanged((tensors) => delete tensors[headKey]);
  await expect(read(tableAlone, gpt2)).rejects.toThrow(apart);
  const headAlone = await tensorsChanged((tensors) => delete tensors['base_model.model.transformer.wte.weight']);
  await expect(read(headAlone, gpt2)).rejects.toThrow(apart);
  const differing = await tensorsChanged((tensors) => {
    const { shape, ...head } = tensors[headKey] as HostArray;
    tensors[headKey] = hostArray(
      'f32',
      shape,
      toNumbers({ shape, ...head }).map((x) => x + 1),
    );
  });
  await expect(read(differing, gpt2)).rejects.toThrow(apart);
});

test('low-rank changes of a table that are tied to its head are refused', async () => {
  const reading = read(changed('adapters-tied/lora-table', { ensure_weight_tying: true }), gpt2);
  await expect(reading).rejects.toThrow(/low-rank changes of both are not supported/);
});
