/** How well the heads name what they have not learnt from, without any language model: `npx tsx scripts/smol/evaluate-names.ts`. */
import { join } from 'node:path';
import { readTensors } from '../../src/checkpoint/index.js';
import { input, slice } from '../../src/graph/index.js';
import { compile } from '../../src/model/compile.js';
import { initialise } from '../../src/model/index.js';
import { layeredWeights } from '../../src/model/weights.js';
import { viewCount } from '../../src/parts/encoders/efficientnet-views.js';
import { ninthScores, pictureKinds, wholeScores } from '../../src/parts/input-projectors/named-views.js';
import { networkOf } from '../../src/recipes/index.js';
import { fields, type HostArray, hostArray } from '../../src/tensor/index.js';
import { colorNames } from '../nano/colors.js';
import { loadArt } from './art.js';
import { namingOf, smolConfig } from './configuration.js';
import { workFolder } from './places.js';
import { evaluationPlan, evaluations, evaluationViews } from './splits.js';
import { openViews, rowLength, viewWidth } from './views.js';

const art = await loadArt();
const naming = namingOf(art);
const model = await initialise(networkOf(fields(await smolConfig(art), 'config.json')), { session: { threads: 2 } });
const heads = Object.entries(await readTensors(join(workFolder, 'names.safetensors')));
const weights = layeredWeights(model.weights, new Map(heads.map(([name, value]) => [`projector.${name}`, value])));
const session = await compile({ ...model, weights }, 'names', (p) => {
  const views = input('views', 'f32', ['B', viewCount, viewWidth]);
  const { photo, kind, concept, flag, background, colour } = wholeScores(p.at('projector'), views, naming);
  const ninths = ninthScores(p.at('projector'), slice(views, 1, 1, viewCount), naming);
  const within = { ninths: ninths.concept, ninthColours: ninths.colour };
  return { photo, kind, concept, flag, background, colour, ...within };
});

/** The index of the largest of each row. */
function best({ data, shape }: HostArray): number[] {
  const width = shape.at(-1) as number;
  return Array.from({ length: data.length / width }, (_, row) => {
    let at = 0;
    for (let i = 1; i < width; i++) if (data[row * width + i]! > data[row * width + at]!) at = i;
    return at;
  });
}

for (const evaluation of evaluations) {
  const file = openViews(join(workFolder, evaluationViews(evaluation.name)));
  const right: Record<string, [number, number]> = {};
  const count = (name: string, is: boolean): void => {
    const own = right[name] ?? [0, 0];
    right[name] = own;
    own[1]++;
    if (is) own[0]++;
  };
  const views = new Float32Array(file.count * rowLength);
  for (let i = 0; i < file.count; i++) file.read(i, views.subarray(i * rowLength, (i + 1) * rowLength));
  const scores = await session.run({ views: hostArray('f32', [file.count, viewCount, viewWidth], views) });
  const told = Object.fromEntries(Object.entries(scores).map(([name, array]) => [name, best(array)]));
  for (let i = 0; i < file.count; i++) {
    const plan = evaluationPlan(art, evaluation, i);
    count('no photo', told.photo![i] === 0);
    count('kind', told.kind![i] === pictureKinds.indexOf(plan.kind));
    count('background', told.background![i] === colorNames.indexOf(plan.ground));
    if (plan.kind === 'drawing') count('concept', told.concept![i] === plan.named);
    if (plan.kind === 'flag') count('flag', told.flag![i] === plan.named);
    if (plan.color) count('colour', told.colour![i] === colorNames.indexOf(plan.color));
    for (const [ninth, cell] of plan.cells.entries()) {
      const said = told.ninths![i * 9 + ninth];
      if (cell) count('named ninth', said === 1 + cell.concept);
      else count('empty ninth', said === 0);
      if (cell?.color) {
        count('colour of a ninth', told.ninthColours![i * 9 + ninth] === colorNames.indexOf(cell.color));
      }
    }
  }
  const shares = Object.entries(right).map(
    ([name, [yes, all]]) => `${name} ${((100 * yes) / all).toFixed(1)} % of ${all}`,
  );
  console.log(`${evaluation.name}: ${shares.join(', ')}`);
}
await session.close();
await model.close();
