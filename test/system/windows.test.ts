/** Attention to a window of tokens, and with scores that level off: every context gives what naive arithmetic gives. */
import { test } from 'vitest';
import { constant, graph, input, type Tensor } from '../../src/graph/index.js';
import { lower } from '../../src/onnx/index.js';
import { cacheNames, growingCache, inPlaceCache, promptCache } from '../../src/system/cache.js';
import { fullContext } from '../../src/system/context.js';
import { type HostArray, hostArray, mulDims, Random } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { expectClose } from '../graph/close.js';

const [heads, kvHeads, width] = [4, 2, 8];

interface Case {
  readonly window?: number;
  readonly softcap?: number;
}
/** Tokens of the whole text, and how many of them a cache holds already. */
const [tokens, before] = [12, 4];

const random = new Random(11);
const numbers = (count: number): number[] => Array.from({ length: count }, () => random.normal());
const [q, k, v] = [
  numbers(tokens * heads * width),
  numbers(tokens * kvHeads * width),
  numbers(tokens * kvHeads * width),
];

/** What token `t` gets, head by head. */
function naive(t: number, { window = Infinity, softcap = Infinity }: Case): number[] {
  return Array.from({ length: heads }, (_, h) => {
    const group = Math.floor(h / (heads / kvHeads));
    const at = (x: readonly number[], s: number, i: number): number => x[(s * kvHeads + group) * width + i] as number;
    const seen = Array.from({ length: tokens }, (_, s) => s).filter((s) => s <= t && s > t - window);
    const scores = seen.map((s) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += (q[(t * heads + h) * width + i] as number) * at(k, s, i);
      const score = sum / Math.sqrt(width);
      return Math.exp(softcap < Infinity ? softcap * Math.tanh(score / softcap) : score);
    });
    const norm = scores.reduce((a, b) => a + b, 0);
    return Array.from({ length: width }, (_, i) =>
      seen.reduce((sum, s, j) => sum + ((scores[j] as number) / norm) * at(v, s, i), 0),
    );
  }).flat();
}

/** Tokens from `from` on, [1, T, H*K]. */
function fresh(values: readonly number[], count: number, from: number): HostArray {
  const size = count * width;
  return hostArray('f32', [1, tokens - from, size], values.slice(from * size));
}

/** The first tokens as a cache [1, G, S, K] has them. */
function stored(values: readonly number[], places: number): HostArray {
  const data = Array.from({ length: kvHeads * places * width }, (_, j) => {
    const [g, s, i] = [Math.floor(j / (places * width)), Math.floor(j / width) % places, j % width];
    return s < before ? (values[(s * kvHeads + g) * width + i] as number) : 0;
  });
  return hostArray('f32', [1, kvHeads, places, width], data);
}

const whole = (name: string, shape: readonly number[], values: readonly number[], dtype: 'i64' | 'i32' = 'i64') => ({
  [name]: hostArray(dtype, shape, values),
});
const caches = (places: number): Record<string, HostArray> => {
  const [key, value] = cacheNames(0).past;
  return { [key]: stored(k, places), [value]: stored(v, places) };
};
const counted = Array.from({ length: tokens - before }, (_, i) => before + i);

const contexts = [
  [
    'all tokens at once',
    () => fullContext(constant(hostArray('i64', [1, tokens], Array(tokens).fill(1)))),
    [1, tokens],
    {},
  ],
  [
    'a growing cache',
    growingCache,
    ['B', 'T'],
    {
      ...{ ...whole('positions', [1, tokens - before], counted), ...caches(before) },
      seen: hostArray('bool', [1, tokens], Array(tokens).fill(1)),
    },
  ],
  [
    'a cache in place',
    inPlaceCache,
    ['B', 'T'],
    { ...caches(tokens + 2), ...whole('last', [1], [tokens - 1], 'i32'), ...whole('total', [], [tokens], 'i32') },
  ],
  [
    'a prompt in parts',
    promptCache,
    [1, mulDims(4, 'Q')],
    {
      ...caches(tokens),
      ...whole('places', [4, (tokens - before) / 4], counted),
      ...whole('before', [before], [0, 1, 2, 3]),
    },
  ],
] as const;

const cases: Readonly<Record<string, Case>> = {
  'a window': { window: 3 },
  'a cap': { softcap: 0.8 },
  'a window and a cap': { window: 3, softcap: 0.8 },
};

test.each(contexts.flatMap((context) => Object.keys(cases).map((name) => [name, ...context] as const)))(
  '%s in %s',
  async (name, _, make, dims, given) => {
    const how = cases[name] as Case;
    const from = dims[1] === tokens ? 0 : before;
    const parts = [
      ['q', heads],
      ['k', kvHeads],
      ['v', kvHeads],
    ] as const;
    const [queries, keys, values] = parts.map(([name, count]) => input(name, 'f32', [...dims, count * width])) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const y = make().attend(0, queries, keys, values, { heads, kvHeads, ...how });
    const session = await engine.createSession(lower(graph('attention', { y })));
    try {
      const feeds = { q: fresh(q, heads, from), k: fresh(k, kvHeads, from), v: fresh(v, kvHeads, from), ...given };
      const found = await session.run(
        Object.fromEntries(
          session.inputs.map((name) => [name, (feeds as Record<string, HostArray>)[name] as HostArray]),
        ),
      );
      const data = Array.from({ length: tokens - from }, (_, i) => naive(from + i, how)).flat();
      expectClose(found.y as HostArray, { shape: [1, tokens - from, heads * width], data }, 'y', { rtol: 1e-5 });
    } finally {
      await session.close();
    }
  },
);
