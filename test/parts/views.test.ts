import { expect, test } from 'vitest';
import { graph, input, resize } from '../../src/graph/index.js';
import { rootScope } from '../../src/nn/index.js';
import { lower } from '../../src/onnx/lower.js';
import { efficientNetStates } from '../../src/parts/encoders/efficientnet.js';
import { efficientNetViews, viewWidthOf, viewWidths } from '../../src/parts/encoders/efficientnet-views.js';
import { type NamedViewsConfig, namedViews, namedViewTokens } from '../../src/parts/input-projectors/named-views.js';
import { nativeEngine } from '../../src/runtime/node.js';
import { type HostArray, hostArray, Random, toNumbers } from '../../src/tensor/index.js';
import { expectClose } from '../graph/close.js';

const random = new Random(3);
const numbers = (count: number, scale = 1): number[] => Array.from({ length: count }, () => scale * random.normal());
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;

async function run(outputs: Parameters<typeof graph>[1], feeds: Record<string, HostArray>) {
  const session = await nativeEngine().createSession(lower(graph('test', outputs)));
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

/** By their definition: roots of how near the means of squares of four pixels are to each of 64 colours. */
function shares(picture: readonly number[], image: number, [top, left, reach]: readonly [number, number, number]) {
  const counts = new Array<number>(64).fill(0);
  for (let y = top; y < top + reach; y += 4) {
    for (let x = left; x < left + reach; x += 4) {
      const colour = [0, 1, 2].map((c) =>
        mean(Array.from({ length: 16 }, (_, i) => picture[(c * image + y + (i >> 2)) * image + x + (i & 3)]!)),
      );
      for (let i = 0; i < 64; i++) {
        const level = [i >> 4, (i >> 2) & 3, i & 3].map((at) => (at * 2) / 3 - 1);
        const near = colour.map((value, c) => Math.max(0, 1 - 1.5 * Math.abs(value - level[c]!)));
        counts[i]! += (near[0]! * near[1]! * near[2]!) / (reach / 4) ** 2;
      }
    }
  }
  return counts.map((count) => Math.sqrt(count + 1e-6));
}

test.each([128, 224, 320])(
  'views of pictures of %i pixels are means over the grids and the colours of the whole and of its ninths',
  async (image) => {
    const config = { image, width: 1, depth: 1, classes: 10 };
    const side = image / 32;
    const apart = (side - 1) / 3;
    const { p, declarations } = rootScope();
    const given = input('pixels', 'f32', [1, 3, image, image]);
    const views = efficientNetViews(config).forward(p, given, {});
    const { grid, blocks } = efficientNetStates(p.shared, given, config);
    // What the classifier learnt from had 224 pixels on a side: a larger whole is seen in that size.
    const known = Math.min(image, 224);
    const whole = efficientNetStates(p.shared, resize(given, [known, known], { mode: 'linear' }), config);
    const values = [...declarations.values()].map(({ name, shape, init }) => {
      return [name, hostArray('f32', shape, init([...shape], random))] as const;
    });
    const pixels = hostArray('f32', [1, 3, image, image], numbers(3 * image * image));
    const outputs = { views, grid, middle: blocks[10]!, wholeGrid: whole.grid, wholeMiddle: whole.blocks[10]! };
    const seen = await run(outputs, { pixels, ...Object.fromEntries(values) });
    const picture = toNumbers(pixels);
    /** A mean of channel c of a grid over rows and columns. */
    const over = (
      x: readonly number[],
      wide: number,
      c: number,
      [top, left, reach]: readonly [number, number, number],
    ) =>
      mean(
        Array.from({ length: reach * reach }, (_, i) => {
          return x[(c * wide + top + Math.floor(i / reach)) * wide + left + (i % reach)]!;
        }),
      );
    const expected: number[] = [];
    for (let view = 0; view < 10; view++) {
      const [row, column] = [Math.floor((view - 1) / 3), (view - 1) % 3];
      /** A stretch of a grid of the whole picture, of which a cell of the last grid has so many places. */
      const area = (cell: number): [number, number, number] =>
        view === 0 ? [0, 0, side * cell] : [apart * row * cell, apart * column * cell, (apart + 1) * cell];
      const [last, middle] = (view === 0 ? [seen.wholeGrid!, seen.wholeMiddle!] : [seen.grid!, seen.middle!]).map(
        toNumbers,
      );
      const [wide, place] = view === 0 ? [known / 32, [0, 0, known / 32] as const] : [side, area(1)];
      for (let c = 0; c < viewWidths.last; c++) expected.push(over(last!, wide, c, place));
      const finer = place.map((x) => 2 * x) as [number, number, number];
      for (let c = 0; c < viewWidths.middle; c++) expected.push(over(middle!, 2 * wide, c, finer));
      expected.push(...shares(picture, image, area(32)));
      const [cells, cell] = view === 0 ? [side, 32] : [2 * (apart + 1), 16];
      const [top, left] = area(32);
      const colours: number[] = [];
      for (let c = 0; c < 3; c++) {
        for (let i = 0; i < cells * cells; i++) {
          const [y, x] = [top + Math.floor(i / cells) * cell, left + (i % cells) * cell];
          colours.push(over(picture, image, c, [y, x, cell]));
        }
      }
      expected.push(...colours, ...new Array<number>(3 * side * side - colours.length).fill(0));
    }
    const shape = [1, 10, viewWidthOf(image)];
    expectClose(seen.views!, { shape, data: expected }, 'views', { rtol: 1e-4, atol: 1e-5 });
  },
);

test('pictures whose ninths are no whole cells are refused', () => {
  const given = { image: 256, width: 1, depth: 1, classes: 10 };
  expect(() => efficientNetViews(given)).toThrow(/256 pixels.*ninths/);
});

const naming: NamedViewsConfig = {
  ...{ concepts: 5, flags: 3, photographs: 4, colours: 3, hidden: 6, ninthHidden: 7, colourHidden: 5 },
  views: { last: 4, middle: 2, shares: 2 },
};
const width = 8;
const viewWidth = 9;

test('what is named stands in its place, as large as it is certain, and the kind of picture decides who speaks', async () => {
  const { p, declarations } = rootScope();
  const tokens = namedViews(naming).forward(p, input('views', 'f32', [4, 10, viewWidth]), width);
  const values = new Map(
    [...declarations.values()].map(({ name, shape }) => {
      return [name, hostArray('f32', [...shape], numbers(shape.reduce((a, b) => a * b, 1)))] as const;
    }),
  );
  const views = numbers(4 * 10 * viewWidth, 4);
  const result = await run(
    { tokens },
    { views: hostArray('f32', [4, 10, viewWidth], views), ...Object.fromEntries(values) },
  );
  const data = Array.from({ length: 4 }, (_, i) => views.slice(i * 10 * viewWidth, (i + 1) * 10 * viewWidth));
  const told = data.map((picture) => naive(picture, (name) => toNumbers(values.get(name)!)));
  expectClose(
    result.tokens!,
    { shape: [4, namedViewTokens, width], data: told.flatMap(({ embeddings }) => embeddings.flat()) },
    'tokens',
    { rtol: 1e-4, atol: 1e-5 },
  );
  // The pictures are not all of one kind, or the test would show little.
  expect(new Set(told.map(({ kind }) => kind)).size).toBeGreaterThan(1);
});

/** One picture's embeddings, number by number. */
function naive(picture: readonly number[], value: (name: string) => number[]) {
  const view = (i: number): number[] => picture.slice(i * viewWidth, (i + 1) * viewWidth);
  const layer = (name: string, x: readonly number[]): number[] => {
    const weight = value(`${name}.weight`);
    return value(`${name}.bias`).map((bias, row) => bias + sum(x.map((v, i) => v * weight[row * x.length + i]!)));
  };
  const ninths = Array.from({ length: 9 }, (_, i) => view(1 + i));
  const strongest = Array.from({ length: 6 }, (_, i) => Math.max(...ninths.map((own) => own[i]!)));
  const inner = layer('whole', [...view(0), ...strongest]).map(gelu);
  const pooled = view(0).slice(0, 4);
  const [drawn, shot] = softmax(layer('photo', pooled)) as [number, number];
  const kinds = [...softmax(layer('kind', inner)).map((x) => drawn * x), shot];
  const [drawing, scene, flag, photo] = kinds as [number, number, number, number];
  const likely = [
    scene,
    ...softmax(layer('concept', inner)).map((x) => drawing * x),
    ...softmax(layer('flag', inner)).map((x) => flag * x),
    ...softmax(layer('photograph', pooled)).map((x) => photo * x),
  ];
  const best = likely.map((_, i) => i).sort((a, b) => likely[b]! - likely[a]!);
  const row = (name: string, i: number): number[] => value(name).slice(i * width, (i + 1) * width);
  const name = (i: number, certain: number): number[][] =>
    [0, 1, 2].map((word) => row('names', 3 * i + word).map((x) => x * (0.5 + 0.5 * certain)));
  const tints = (own: readonly number[]): number[] => own.slice(6, 8);
  const ownColour = (i: number): number[] => layer('ninth_colour', layer('ninth_tint', tints(ninths[i]!)).map(gelu));
  const colour = (scores: readonly number[], weight: number): number[] => {
    const shares = softmax(scores);
    const i = shares.indexOf(Math.max(...shares));
    return row('colours', i).map((x) => x * shares[i]! * weight);
  };
  const seen = ninths.map((own) => {
    const shares = softmax(layer('ninth_concept', layer('ninth', own).map(gelu))).map((x) => x * scene);
    shares[0]! += 1 - scene;
    const certain = Math.max(...shares);
    return { most: shares.indexOf(certain), certain };
  });
  const things = seen.filter(({ most }) => most > 0).length;
  const places = seen.flatMap(({ most, certain }, i) => {
    const alike = most === 0 ? 0 : seen.filter((other) => other.most === most).length;
    const own = colour(ownColour(i), most === 0 ? 0 : 1);
    return [row('places', 2 * i), row('places', 2 * i + 1), row('numbers', alike), own, ...name(most, certain)];
  });
  // The colour of a single thing is told by the shares of colours of the whole and of all ninths.
  const thing = layer('colour', layer('tint', [view(0), ...ninths].flatMap(tints)).map(gelu));
  const mixed = (table: string, shares: readonly number[]): number[] =>
    Array.from({ length: width }, (_, i) => sum(shares.map((share, own) => share * row(table, own)[i]!)));
  const classes = softmax(layer('photograph', pooled)).map((x) => photo * x);
  const embeddings = [
    ...[mixed('kinds', kinds), mixed('everyday', classes)],
    ...best.slice(0, 2).flatMap((i) => name(i, likely[i]!)),
    ...[colour(layer('background', inner), drawn), colour(thing, drawing), row('numbers', Math.max(1, things))],
    ...places,
  ];
  const kind = kinds.indexOf(Math.max(...kinds));
  return { kind, embeddings: embeddings.map((x, i) => x.map((v, j) => v + row('offsets', i)[j]!)) };
}

function softmax(x: readonly number[]): number[] {
  const largest = Math.max(...x);
  const powers = x.map((v) => Math.exp(v - largest));
  return powers.map((v) => v / sum(powers));
}

/** By the integral of the normal density, which is as exact as it needs to be here. */
function gelu(x: number): number {
  const steps = 4000;
  const from = -9;
  const size = (x - from) / steps;
  let area = 0;
  for (let i = 0; i < steps; i++) area += Math.exp(-((from + (i + 0.5) * size) ** 2) / 2) * size;
  return (x * area) / Math.sqrt(2 * Math.PI);
}
