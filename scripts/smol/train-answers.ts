/**
 * The language model learns to answer by what is named, in the recipe's stages, through an adapter beside its frozen
 * weights, which stand in eight bits. `npx tsx scripts/smol/train-answers.ts` goes on where it was stopped, and writes `models/smol/adapter`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint, readTensors, writeSafetensors } from '../../src/checkpoint/index.js';
import { packed, packRows } from '../../src/data/index.js';
import { asSystem, createProcessor, load, withAdapter, withoutAdapter, writeAdapter } from '../../src/model/index.js';
import { viewCount } from '../../src/parts/encoders/efficientnet-views.js';
import type { Encoder } from '../../src/parts/types.js';
import { adapterOf, nextToken, type Stage, type System, slot, system } from '../../src/system/index.js';
import { castArray, type HostArray, hostArray, Random, seedFor } from '../../src/tensor/index.js';
import type { Message } from '../../src/text/messages.js';
import { type BatchSource, evaluate, train } from '../../src/train/index.js';
import { labelled } from '../../src/train/prepare.js';
import { loadArt } from './art.js';
import { smolConfig } from './configuration.js';
import { readPhotoNames } from './photo-names.js';
import { pictureSide, planOf } from './pictures.js';
import { modelFolder, published, workFolder } from './places.js';
import { photoSource } from './pseudo-photos.js';
import { conversation, photoConversation } from './questions.js';
import { evaluationPlan, evaluations, evaluationViews, openPictureViews } from './splits.js';
import { standardiser } from './standard.js';
import { openViews, rowLength, viewWidth } from './views.js';
import type { Turn } from './wordings.js';

/** Conversations about pictures of the evaluation: so many batches, after every so many steps. Nothing is chosen by them. */
const heldOut = { batches: 4, every: 60 };
const photoShare = 0.2;

/** Up to which share of views is blurred: the heads are surer of the pictures that they learnt from than of others. */
const blurred = 0.6;
const layout = { width: pictureSide, height: pictureSide };

/** Views stand where pictures do, since the encoder does not learn. */
const seen: Encoder = { kind: 'encoder', image: pictureSide, forward: (_, views) => views };

function seeingViews(whole: System): System {
  const { name, image, backbone, stages, buffers = [] } = whole;
  if (!image) throw new Error('smol takes pictures');
  const pixels = { dtype: 'f32', shape: ['M', viewCount, viewWidth] } as const;
  const views = { ...image, encoder: slot(seen, { prefix: 'vision_tower' }), inputs: { pixel_values: pixels } };
  return system({ name, inputs: { image: views }, backbone, stages, buffers });
}

const art = await loadArt();
const model = asSystem(await load(modelFolder, { session: { threads: 2 } }));
const stages = model.network.stages ?? [];
const [first] = stages;
if (!first?.adapter || !first.batch)
  throw new Error('the first stage of the recipe of smol has no adapter or no batch');
const { adapter: settings, batch } = first;
const processor = createProcessor(model);
const encoder = await openCheckpoint(published.encoder);
const photos = await photoSource(encoder);
const photoNames = readPhotoNames();
const { count: pictures, read } = openPictureViews();
const standard = standardiser(read, pictures);

function messagesOf(turns: readonly Turn[]): Message[] {
  return turns.flatMap(({ question, answer }, i): Message[] => [
    { role: 'user', content: [...(i === 0 ? [{ type: 'image' as const }] : []), { type: 'text', text: question }] },
    { role: 'assistant', content: answer },
  ]);
}

/** Conversations about different pictures, several in a row of tokens, which do not see each other. */
function batches(
  purpose: string,
  about: NonNullable<BatchSource['about']>,
  talk: (views: Float32Array, random: Random) => Turn[],
): BatchSource {
  return {
    fields: ['input_ids', 'attention_mask', 'labels', 'position_ids', 'pixel_values'],
    accumulates: false,
    about,
    async take(step) {
      const random = new Random(seedFor(4, purpose, step));
      const samples = Array.from({ length: batch }, () => {
        const views = new Float32Array(rowLength);
        const messages = messagesOf(talk(views, random));
        return { ...labelled({ messages }, [layout], { system: model.network, processor }), views };
      });
      const rows = packRows(samples);
      const views = new Float32Array(batch * rowLength);
      for (const [i, sample] of rows.flat().entries()) views.set(sample.views, i * rowLength);
      return [{ ...packed(rows, 2), pixel_values: hostArray('f32', [batch, viewCount, viewWidth], views) }];
    },
  };
}

const conversations = (stage: string): BatchSource =>
  batches(stage, { batch, pictures, photoShare, blurred }, (views, random) =>
    random.uniform() < photoShare ? aboutPhoto(views, random) : aboutPicture(views, random),
  );

const unseen = evaluations
  .filter(({ split }) => split === 'seen')
  .map((evaluation) => ({ evaluation, views: openViews(join(workFolder, evaluationViews(evaluation.name))) }));

const others = batches('held-out', { batch }, (into, random) => {
  const { evaluation, views } = random.pick(unseen);
  const index = random.integer(views.count);
  views.read(index, into);
  return conversation(art, evaluationPlan(art, evaluation, index), random);
});

function aboutPhoto(views: Float32Array, random: Random): Turn[] {
  const pooled = photos.draw(random);
  views.set(pooled);
  return photoConversation(photoNames, photos.classOf(pooled), random);
}

function aboutPicture(views: Float32Array, random: Random): Turn[] {
  const index = random.integer(pictures);
  read(index, views);
  standard.blur(views, blurred * random.uniform(), random);
  return conversation(art, planOf(art, index), random);
}

const adapter = adapterOf([settings]);
const plain = withoutAdapter(model);
const offsets = 'multi_modal_projector.offsets';

/** One stage, from what the one before has learnt. */
async function learn(
  { name, optimizer, length }: Stage,
  before: ReadonlyMap<string, HostArray>,
): Promise<ReadonlyMap<string, HostArray>> {
  if (!('steps' in length)) throw new Error(`the stage ${name} of the recipe of smol has no number of steps`);
  const { steps } = length;
  const base = withAdapter({ ...plain, network: seeingViews(plain.network) }, { adapter, values: before });
  const data = conversations(name);
  const started = performance.now();
  let tokens = 0;
  const learning = {
    objective: nextToken(),
    train: [...adapter.parameters, offsets],
    frozen: 'int8',
    fields: data.fields,
  } as const;
  const { values } = await train(base, {
    ...learning,
    ...{ optimizer, steps, data, folder: join(workFolder, 'answers', name), saveEvery: 25, clock: Date.now },
    evaluation: {
      every: heldOut.every,
      evaluate: (values, signal) =>
        evaluate(base, values, {
          ...learning,
          heldOut: { data: others, batches: heldOut.batches },
          ...(signal ? { signal } : {}),
        }),
    },
    onEvaluation: ({ step, loss = Number.NaN }) =>
      console.log(`${name}: held-out loss ${loss.toFixed(3)} after step ${step}`),
    onStep({ step, loss, tokens: read, time }) {
      tokens += read;
      if (step % 5 > 0) return;
      const seconds = (performance.now() - started) / 1000;
      const told = `loss ${loss.toFixed(3)}, ${time.toFixed(0)} ms, ${(tokens / seconds).toFixed(0)} tokens a second`;
      console.log(`${name}: step ${step} of ${steps}, ${told}, ${(seconds / 60).toFixed(1)} minutes`);
    },
  });
  return new Map(Object.entries(values));
}

let values: ReadonlyMap<string, HostArray> = new Map();
for (const stage of stages) values = await learn(stage, values);
const { network, declarations } = model;
// What learnt beside the adapter belongs to the projector, which has a file of its own.
const { [offsets]: learnt, ...adapted } = Object.fromEntries(values);
const file = join(modelFolder, 'projector.safetensors');
const projector = await readTensors(file);
await writeSafetensors(file, Object.entries({ ...projector, offsets: castArray(learnt as HostArray, 'f16') }));
await writeAdapter(
  join(modelFolder, 'adapter'),
  { network, declarations, base: 'models/smol' },
  [settings],
  new Map(Object.entries(adapted).map(([name, array]) => [name, castArray(array, 'f16')])),
);
writeFileSync(join(modelFolder, 'config.json'), `${JSON.stringify(await smolConfig(art), null, 2)}\n`);
await model.close();
await encoder.close();
