/**
 * Trains all weights of a GPT of 13.8 million parameters on batches of 8 texts of 128 tokens: alone with two threads, or
 * under mpirun with one thread a process. The first process prints the time, the loss and the norm of every step.
 *
 *     train.mjs STEPS [MICRO-BATCHES]
 */
import {
  adamw,
  type BatchSource,
  type HostArray,
  type HostArrays,
  hostArray,
  initialise,
  nextToken,
  Random,
  slot,
  system,
  train,
} from '../../src/index.js';
import { alone, joinProcesses, launchOf, partOf, type Share } from '../../src/parallel/index.js';
import { gpt2 } from '../../src/parts/backbones/gpt2.js';

const [batch, length, vocab] = [8, 128, 8192];
const [steps = 1, parts = 1] = process.argv.slice(2).map(Number);
const launch = launchOf(process.env);
const processes = launch ? await joinProcesses() : undefined;
const group = processes ?? alone;

/** A share of the texts of a step: random words, the same whoever takes which of them. */
function texts(step: number, share: Share): HostArrays {
  const random = new Random(step);
  const all = BigInt64Array.from({ length: batch * length }, () => BigInt(random.integer(vocab)));
  const { from, count } = partOf(batch, share);
  const own = all.subarray(from * length, (from + count) * length);
  const array = (values: BigInt64Array): HostArray => hostArray('i64', [count, length], values);
  return { input_ids: array(own), attention_mask: array(own.map(() => 1n)), labels: array(own) };
}

const data: BatchSource = {
  fields: ['input_ids', 'attention_mask', 'labels'],
  accumulates: parts > 1,
  async take(step) {
    if (launch) return [texts(step, group)];
    return Array.from({ length: parts }, (_, rank) => texts(step, { rank, size: parts }));
  },
};

const backbone = gpt2({ width: 384, depth: 6, heads: 6, vocab, context: length });
const network = system({ name: 'gpt', backbone: slot(backbone, { prefix: '' }) });
const model = await initialise(network, { seed: 1, engine: { threads: launch ? 1 : 2 } });
const told: { time: number; loss: number; norm: number }[] = [];
await train(model, {
  ...{ objective: nextToken(), train: ['**'], optimizer: adamw({ lr: 1e-4, warmup: 0.5 }), steps, data, group },
  clock: () => performance.now(),
  onStep: ({ time, loss, norm }) => told.push({ time, loss, norm }),
});
await model.close();
await processes?.close();
if (group.rank === 0) console.log(JSON.stringify(told));
