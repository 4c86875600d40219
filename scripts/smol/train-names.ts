/**
 * The first stage: the heads that name what is seen, on views that were computed before. `npx tsx scripts/smol/train-names.ts`
 * goes on where it was stopped, and writes `names.safetensors`.
 */
import { join } from 'node:path';
import { openCheckpoint, writeSafetensors } from '../../src/checkpoint/index.js';
import {
  add,
  cast,
  crossEntropy,
  div,
  equal,
  flatten,
  maximum,
  mul,
  not,
  slice,
  sum,
  type Tensor,
} from '../../src/graph/index.js';
import { initialise } from '../../src/model/index.js';
import { viewCount } from '../../src/parts/encoders/efficientnet-views.js';
import { ninthScores, pictureKinds, wholeScores } from '../../src/parts/input-projectors/named-views.js';
import { networkOf } from '../../src/recipes/index.js';
import { adamw, countedOnce, isSystem, type Objective } from '../../src/system/index.js';
import { fields, type HostArray, hostArray, ignored, Random, seedFor } from '../../src/tensor/index.js';
import { type BatchSource, train } from '../../src/train/index.js';
import { colorNames } from '../nano/colors.js';
import { type Art, loadArt } from './art.js';
import { namingOf, smolConfig } from './configuration.js';
import { photoHead } from './photo-head.js';
import { kindOf, type Plan, planOf } from './pictures.js';
import { published, workFolder } from './places.js';
import { photoSource } from './pseudo-photos.js';
import { openPictureViews } from './splits.js';
import { foldedHeads, standardiser } from './standard.js';
import { isShare, rowLength, viewWidth } from './views.js';

/** Of crowds only the ninths are learnt. */
const rows = { drawing: 176, flag: 48, scene: 176, crowd: 64 } as const;
const wholes = rows.drawing + rows.flag + rows.scene;
const scenes = rows.scene + rows.crowd;
const steps = 1000;

/** Share of the ninths with nothing in them that are learnt: there are more of them than of any thing. */
const empties = 0.2;

const art = await loadArt();
const naming = namingOf(art);
const prefix = 'multi_modal_projector';

/** Mean cross entropy over the rows that have a label. */
function meanOver(scores: Tensor, labels: Tensor): Tensor {
  const losses = sum(crossEntropy(scores, labels, ignored));
  return div(losses, maximum(sum(cast(not(equal(labels, ignored)), 'f32')), 1));
}

const label = { dtype: 'i64', shape: ['W'] } as const;

/** All heads at once; the ninths count as much as the whole. */
const objective: Objective = {
  name: 'names-of-views',
  whole: true,
  inputs: {
    views: { dtype: 'f32', shape: ['W', viewCount, viewWidth] },
    scenes: { dtype: 'f32', shape: ['S', viewCount, viewWidth] },
    ...{ kind: label, concept: label, flag: label, background: label, colour: label },
    ninths: { dtype: 'i64', shape: ['S', viewCount - 1] },
    ninthColours: { dtype: 'i64', shape: ['S', viewCount - 1] },
  },
  loss(_, p, batch) {
    const own = p.at(prefix);
    const { views, scenes, ninths, ninthColours } = batch as Record<string, Tensor>;
    const scores = wholeScores(own, views as Tensor, naming);
    const within = ninthScores(own, slice(scenes as Tensor, 1, 1, viewCount), naming);
    const each = (['kind', 'concept', 'flag', 'background', 'colour'] as const).map((head) =>
      meanOver(scores[head], batch[head] as Tensor),
    );
    const named = meanOver(flatten(within.concept, 0, 1), flatten(ninths as Tensor, 0, 1));
    const coloured = meanOver(flatten(within.colour, 0, 1), flatten(ninthColours as Tensor, 0, 1));
    const [kind, concept, flag, background, colour] = each as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const colours = add(background, colour);
    const total = add(add(concept, named), mul(0.3, add(kind, add(flag, add(colours, coloured)))));
    const metric = (mean: Tensor) => countedOnce(mean, 1);
    return {
      ...countedOnce(total, 1),
      metrics: {
        ...{ concept: metric(concept), ninths: metric(named), kind: metric(kind) },
        ...{ colours: metric(colours), 'colours of ninths': metric(coloured) },
      },
    };
  },
};

const encoder = await openCheckpoint(published.encoder);
const photos = await photoSource(encoder);
const pictureViews = openPictureViews();
const { count: pictures, crowds, read } = pictureViews;
if (crowds === 0) throw new Error('make-views.ts has made no crowds: let it run to its end');
const standard = standardiser(read, pictures);

const indexes = (kind: Plan['kind']): number[] =>
  Array.from({ length: pictures }, (_, i) => i).filter((index) => kindOf(index) === kind);
const byKind = { drawing: indexes('drawing'), flag: indexes('flag'), scene: indexes('scene') };
console.log(
  `${pictures} pictures: ${byKind.drawing.length} drawings, ${byKind.scene.length} scenes, ${byKind.flag.length} flags, ${crowds} crowds`,
);

const plans = new Map<number, Plan>();
function planned(index: number): Plan {
  const known = plans.get(index) ?? planOf(art as Art, index);
  plans.set(index, known);
  return known;
}

/** Batches of standardised views, of which some numbers are left out at random (Srivastava et al., 2014), but of colours. */
const data: BatchSource = {
  fields: Object.keys(objective.inputs ?? {}),
  accumulates: false,
  about: { rows, empties, pictures, crowds, standard: 'each channel' },
  async take(step) {
    const random = new Random(seedFor(3, 'names', step));
    const views = new Float32Array(wholes * rowLength);
    const within = new Float32Array(scenes * rowLength);
    const labels = { kind: [], concept: [], flag: [], background: [], colour: [] } as Record<string, number[]>;
    const ninths: number[] = [];
    const ninthColours: number[] = [];
    const tell = (cells: Plan['cells']): void => {
      for (const cell of cells) {
        ninths.push(cell ? 1 + cell.concept : random.uniform() < empties ? 0 : ignored);
        ninthColours.push(cell?.color ? colorNames.indexOf(cell.color) : ignored);
      }
    };
    let row = 0;
    const place = (): Float32Array => views.subarray(row * rowLength, ++row * rowLength);
    const say = (named: Partial<Record<keyof typeof labels, number>>): void => {
      for (const [head, list] of Object.entries(labels)) list.push(named[head] ?? ignored);
    };
    for (const kind of ['drawing', 'flag', 'scene'] as const) {
      for (let i = 0; i < rows[kind]; i++) {
        const index = random.pick(byKind[kind]);
        const into = place();
        read(index, into);
        standard.apply(into);
        const { named, ground, color, cells } = planned(index);
        const background = colorNames.indexOf(ground);
        say({
          ...{ kind: pictureKinds.indexOf(kind), background },
          ...(kind === 'drawing' && named !== undefined ? { concept: named } : {}),
          ...(kind === 'flag' && named !== undefined ? { flag: named } : {}),
          ...(color ? { colour: colorNames.indexOf(color) } : {}),
        });
        if (kind !== 'scene') continue;
        within.set(into, i * rowLength);
        tell(cells);
      }
    }
    for (let i = rows.scene; i < scenes; i++) {
      const index = pictures + random.integer(crowds);
      const into = within.subarray(i * rowLength, (i + 1) * rowLength);
      read(index, into);
      standard.apply(into);
      tell(planned(index).cells);
    }
    drop(views, 0.25, random);
    drop(within, 0.25, random);
    const ints = (list: number[]): HostArray => hostArray('i64', [list.length], list);
    return [
      {
        views: hostArray('f32', [wholes, viewCount, viewWidth], views),
        scenes: hostArray('f32', [scenes, viewCount, viewWidth], within),
        ...Object.fromEntries(Object.entries(labels).map(([head, list]) => [head, ints(list)])),
        ninths: hostArray('i64', [scenes, viewCount - 1], ninths),
        ninthColours: hostArray('i64', [scenes, viewCount - 1], ninthColours),
      },
    ];
  },
};

function drop(values: Float32Array, share: number, random: Random): void {
  const kept = 1 / (1 - share);
  let state = random.integer(2 ** 31) + 1;
  const bar = share * 2 ** 32;
  for (let i = 0; i < values.length; i++) {
    if (isShare(i)) continue;
    // A linear feedback register is enough for this, and fast.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = state >>> 0 < bar ? 0 : (values[i] as number) * kept;
  }
}

const network = networkOf(fields(await smolConfig(art), 'config.json'));
if (!isSystem(network)) throw new Error('smol is no system');
const model = await initialise(network, { seed: 5, session: { threads: 2 } });
const started = performance.now();
const { values } = await train(model, {
  objective,
  train: [`${prefix}.{whole,ninth,tint,ninth_tint,kind,concept,flag,background,colour,ninth_concept,ninth_colour}.*`],
  optimizer: adamw({
    lr: 1.5e-3,
    decay: 0.05,
    betas: [0.9, 0.98],
    warmup: { steps: 50 },
    schedule: 'cosine',
    minimum: 0.02,
    clip: 1,
  }),
  steps,
  data,
  folder: join(workFolder, 'names'),
  saveEvery: 250,
  clock: Date.now,
  onStep: ({ step, loss, metrics, time, waited }) => {
    if (step % 25 > 0) return;
    const told = Object.entries(metrics ?? {}).map(([name, value]) => `${name} ${value.toFixed(3)}`);
    console.log(
      `names: step ${step} of ${steps}, loss ${loss.toFixed(3)} (${told.join(', ')}), ${time.toFixed(0)} ms, ${waited.toFixed(0)} waited`,
    );
  },
});
const heads = foldedHeads(values, standard, prefix);
const { weight, bias } = photoHead(pictureViews, photos);
heads.set('photo.weight', weight);
heads.set('photo.bias', bias);
heads.set('photograph.weight', photos.classifier.weight);
heads.set('photograph.bias', photos.classifier.bias);
await writeSafetensors(join(workFolder, 'names.safetensors'), heads);
await model.close();
await encoder.close();
console.log(`names: ${((performance.now() - started) / 60_000).toFixed(1)} minutes`);
