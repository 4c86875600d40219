/** The setting `objective`: what docs/run-files.md says of it is read, and gives what the page says. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openDataset, type Sample } from '../../../src/data/index.js';
import { fields, QuintetError } from '../../../src/tensor/index.js';
import { loadReward } from '../../../src/train/reward.js';
import { objectiveOf } from '../../../src/train/settings/objective.js';
import { isBuilt, moduleUrl, printedByText } from '../../command.js';
import { temporaryFile } from '../../temporary.js';

const page = readFileSync(new URL('../../../docs/run-files.md', import.meta.url), 'utf8');
const section = /## Objectives\n(.*?)\n## /s.exec(page)?.[1] ?? '';
const blocks = (language: string): string[] =>
  [...section.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, text]) => text as string);

async function samplesOf(text: string): Promise<Sample[]> {
  const dataset = await openDataset(temporaryFile('records.jsonl', text));
  onTestFinished(() => dataset.close());
  return Promise.all(Array.from({ length: dataset.count }, (_, i) => dataset.read(i)));
}

const read = (settings: unknown) => objectiveOf(fields({ objective: settings }, 'page'), '/runs');

/** A stage, or a run file with some. */
type Example = Readonly<Record<string, unknown>> & { readonly stages?: readonly unknown[] };

test('the examples of the page are read', () => {
  const all = blocks('yaml').flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Example));
  const found = all.flatMap((file) => file.stages ?? [file]).map((own) => objectiveOf(fields(own, 'page'), '/runs'));
  expect(found.map(({ objective }) => objective.name)).toEqual([
    'next-token',
    'next-token',
    'dpo',
    'distil',
    'next-token',
    'masked-words',
    'contrast',
    'denoise',
    'reward',
    'grpo',
  ]);
  expect(found.map(({ form }) => form.kind)).toEqual([
    'chats',
    'chats',
    'pairs',
    'chats',
    'chats',
    'masked',
    'captions',
    'noisy',
    'pairs',
    'prompts',
  ]);
  expect(found[9]?.form).toEqual({ kind: 'prompts', reward: '/runs/reward.ts', answers: 8, maxTokens: 64 });
});

test('the table of the page has every kind, every setting and the defaults', () => {
  const rows = [...section.matchAll(/^\| `([\w-]+)` \| [^|]+ \| ([^\n]*) ?\|$/gm)];
  const message = (() => {
    try {
      return String(read({ kind: 'none' }));
    } catch (error) {
      return (error as Error).message;
    }
  })();
  const kinds = /expected one of (.*), got/.exec(message)?.[1]?.split(', ') ?? [];
  expect(rows.map(([, kind]) => kind)).toEqual(kinds);
  for (const [, kind, told = ''] of rows) {
    const needed = {
      ...(kind === 'grpo' && { reward: './reward.ts' }),
      ...(kind === 'distil' && { teacher: './big' }),
    };
    const { settings = {} } = read({ kind, ...needed }).objective;
    for (const [name, value] of Object.entries(settings)) {
      const shown = new RegExp(`\`${name}\`[^(]*\\((?:\`?${value}\`?|as )`);
      expect(told, `${kind}: ${name}`).toMatch(shown);
    }
  }
});

test('the records of the page are pairs, rated answers and prompts', async () => {
  const [pairs, rated, prompts] = await Promise.all(blocks('jsonl').map(samplesOf));
  expect(pairs?.map(({ answers }) => answers?.map(({ good }) => good))).toEqual(new Array(3).fill([true, false]));
  expect(rated?.map(({ answers }) => answers?.map(({ good }) => good))).toEqual([[true], [false]]);
  expect(prompts?.map(({ record }) => record?.solution)).toEqual(['4']);
});

test.each<[object, string]>([
  [{ kind: 'distil', teacher: './big', temperature: 0 }, 'temperature: expected a number above 0, got 0'],
  [{ kind: 'distil', teacher: './big', weight: 1.2 }, 'weight: expected a part from 0 to 1, got 1.2'],
  [{ kind: 'distil' }, 'teacher: expected a text, got nothing'],
  [{ kind: 'denoise', snrGamma: -5 }, 'snrGamma: expected a number above 0, got -5'],
  [{ kind: 'denoise', weights: 'cosine' }, 'weights: expected one of sigma-sqrt, cosmap, got "cosine"'],
])('%j is refused', (objective, message) => {
  expect(() => objectiveOf(fields({ objective }, 'stage'), '/runs')).toThrow(`stage: objective.${message}`);
});

test('a reward that is not there is told, with what may be', async () => {
  const said = loadReward('/runs/none.ts');
  await expect(said).rejects.toThrow(/^\/runs\/none\.ts: there is no such reward\n {2}a module .* folder of a reward/);
});

test.each([
  ['in a module', 'export default () => {\n  throw new Error("no solution");\n};\n', /mjs:2: .* threw: no solution/],
  ['later', 'export default async () => {\n  await 0;\n  return [].x.y;\n};\n', /mjs:3: .* threw: Cannot read/],
  ['with what is no error', 'export default () => { throw "nothing"; };\n', /reward\.mjs: the reward threw: nothing/],
])('a reward that throws %s is told with its place', async (_, code, message) => {
  const path = temporaryFile('reward.mjs', code);
  const reward = await loadReward(path);
  const error = await Promise.resolve(reward([])).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(QuintetError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message.startsWith(path)).toBe(true);
});

/** What is said of rewards that cannot be loaded, and what they say themselves, where imports are Node's: vitest has its own. */
function loaded(paths: readonly string[]): string[] {
  const program = `const { loadReward } = await import(${JSON.stringify(moduleUrl('train/reward'))});
for (const path of ${JSON.stringify(paths)}) console.log(await loadReward(path).catch(({ message }) => message));`;
  return printedByText(program).trim().split('\n');
}

test('what of a reward cannot be parsed, or of what it imports, is told with its place', { timeout: 30_000 }, () => {
  const open = 'export default (answers) => {\n  return answers.map((answer => 1);\n};\n';
  const paths = ['ts', 'mjs'].map((extension) => {
    const path = temporaryFile(`reward.${extension}`, open);
    const other = join(dirname(path), `other.${extension}`);
    writeFileSync(other, `import best from './reward.${extension}';\n\nexport default best;\n`);
    return { path, other };
  });
  const asked = paths.flatMap(({ path, other }) => [path, other]);
  const place = ({ path }: { readonly path: string }) => `${path}:2: ParseError: Unexpected token, expected ","`;
  expect(loaded(asked)).toEqual(paths.flatMap((own) => [place(own), place(own)]));
});

test('a reward that fails as it is imported was run once, and not at all where it cannot be parsed or linked', {
  timeout: 30_000,
}, () => {
  const effect = 'console.log("run");\n';
  const failing = temporaryFile('reward.mjs', `${effect}JSON.parse('{');\n`);
  const broken = temporaryFile('reward.mjs', `import './effect.mjs';\nimport './broken.mjs';\n`);
  writeFileSync(join(dirname(broken), 'effect.mjs'), effect);
  writeFileSync(join(dirname(broken), 'broken.mjs'), 'export default (;\n');
  const unlinked = temporaryFile('reward.mjs', `${effect}import { none } from './effect.mjs';\n`);
  writeFileSync(join(dirname(unlinked), 'effect.mjs'), effect);
  expect(loaded([failing, broken, unlinked])).toEqual([
    'run',
    expect.stringMatching(/reward\.mjs:2: Expected property name/),
    expect.stringMatching(/broken\.mjs:1: ParseError: Unexpected token/),
    expect.stringMatching(/does not provide an export named 'none'/),
  ]);
});

test('a reward in TypeScript that throws is told with the line of its source', async () => {
  const types = 'interface Answer {\n  readonly answer: string;\n}\nenum Mark {\n  Bad,\n}\n';
  const path = temporaryFile(
    'reward.ts',
    `${types}export default (answers: Answer[]) => [answers[0].answer, Mark.Bad];\n`,
  );
  const said = (await loadReward(path))([]);
  await expect(said).rejects.toThrow(new RegExp(`^${path}:7: the reward threw: Cannot read`));
});

test('a reward in TypeScript that imports what is not there is told in one line', async () => {
  const path = temporaryFile('reward.ts', "import { best } from './none.js';\nexport default () => [best];\n");
  await expect(loadReward(path)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.not.stringContaining('\n'),
  });
});

test('the reward of the page rewards', async () => {
  const path = temporaryFile('reward.ts', blocks('ts')[0] as string);
  const reward = await loadReward(path);
  const record = { solution: 4 };
  const given = ['It is 4.', 'Five.'].map((answer) => ({ prompt: [], answer, record }));
  expect(await reward(given)).toEqual([1 - 8 / 1000, 0]);
});

/** What Node alone does not read, or only from some version on: types, enumerations, imports as TypeScript writes them. */
const typed = `import { best } from './best.js';
enum Mark { Bad, Good }
export default async (answers: readonly { readonly answer: string }[]): Promise<number[]> => {
  if (answers.length === 0) throw new Error('nothing to rate');
  return answers.map(({ answer }) => (answer === best ? Mark.Good : Mark.Bad));
};
`;

// Where the sources are run, every import reads TypeScript.
const byNode = test.skipIf(!isBuilt);

byNode.each(['commonjs', 'module'])(
  'the built package reads a reward in TypeScript of a package of type %s',
  (type) => {
    const path = temporaryFile('reward.ts', typed);
    writeFileSync(join(dirname(path), 'best.ts'), "export const best: string = 'Four.';\n");
    writeFileSync(join(dirname(path), 'package.json'), JSON.stringify({ type }));
    const program = `const { loadReward } = await import(${JSON.stringify(moduleUrl('train/reward'))});
const reward = await loadReward(${JSON.stringify(path)});
const given = ['Four.', 'Five.'].map((answer) => ({ prompt: [], answer, record: {} }));
console.log(await reward(given), await reward([]).catch(({ message }) => message));`;
    expect(printedByText(program)).toMatch(/^\[ 1, 0 \] .*reward\.ts:4: the reward threw: nothing to rate/);
  },
);

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ kind: 'dpo', loss: 'ipo', smoothing: 0.1 }, /dpo\.smoothing: it is of the losses sigmoid and robust, not of ipo/],
  [{ kind: 'dpo', loss: 'hinge', smoothing: 0.1 }, /dpo\.smoothing: .* not of hinge/],
  [{ kind: 'dpo', smoothing: -0.1 }, /objective\.smoothing: expected a part from 0 to less than 0\.5/],
  [{ kind: 'simpo', smoothing: 2 }, /objective\.smoothing/],
  [{ kind: 'next-token', smoothing: 1.5 }, /objective\.smoothing/],
  [{ kind: 'grpo', reward: './r.ts', temperature: 0 }, /objective\.temperature: expected a number above 0/],
])('an objective %j is refused with what is wrong', (settings, message) => {
  expect(() => read(settings)).toThrow(message);
});

interface Range {
  readonly refused: readonly number[];
  readonly taken: number;
}
const above0: Range = { refused: [-1, 0], taken: 0.1 };
const from0: Range = { refused: [-0.1], taken: 0 };
const lessThanHalf: Range = { refused: [-0.1, 0.5, 0.7], taken: 0.4 };
const ranges: Readonly<Record<string, Readonly<Record<string, Range>>>> = {
  'next-token': { zLoss: from0, balance: from0 },
  dpo: { beta: above0, smoothing: lessThanHalf, balance: from0 },
  orpo: { beta: above0 },
  simpo: { beta: above0, margin: from0, smoothing: lessThanHalf },
  cpo: { beta: above0, say: from0, smoothing: lessThanHalf },
  kto: { beta: above0, desirable: above0, undesirable: above0 },
  reward: { center: from0 },
  grpo: { beta: from0, epsilon: { refused: [0, 1, 1.5], taken: 0.2 }, epsilonHigh: above0 },
  'image-text': { contrast: from0, match: from0, caption: from0 },
};

test.each(
  Object.entries(ranges).flatMap(([kind, numbers]) =>
    Object.entries(numbers).map(([name, { refused, taken }]) => [kind, name, refused, taken] as const),
  ),
)('%s refuses a %s of %j, and takes %d', (kind, name, refused, taken) => {
  const own = kind === 'grpo' ? { kind, reward: './r.ts' } : { kind };
  for (const value of refused) {
    expect(() => read({ ...own, [name]: value })).toThrow(new RegExp(`page: objective\\.${name}: .*, got ${value}$`));
  }
  expect(() => read({ ...own, [name]: taken })).not.toThrow();
});
