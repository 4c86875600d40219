/** The rules of the structure check as tables. ARCHITECTURE.md explains them. */

/** Folders of `src` that a folder may import from; its own files and `tensor` go without saying. */
export interface Allowed {
  readonly values?: readonly string[];
  /** Folders of which it may import types only. */
  readonly types?: readonly string[];
  /** Packages; `node` stands for all that Node brings, `*` for modules that a user names. */
  readonly packages?: readonly string[];
}

/** `parts` is what all parts share: their types. `parts/*` is each folder of parts; none may see another. */
export const imports: Readonly<Record<string, Allowed>> = {
  tensor: {},
  graph: {},
  onnx: { values: ['graph'] },
  machine: { packages: ['node'] },
  checkpoint: { values: ['machine'], packages: ['node'] },
  media: { packages: ['node', 'sharp'] },
  text: {},
  runtime: { values: ['onnx'], packages: ['node', 'koffi', 'onnxruntime-web'] },
  parallel: { values: ['machine', 'runtime'], packages: ['node'] },
  nn: { values: ['graph'] },
  parts: { types: ['graph', 'nn'] },
  'parts/*': { values: ['nn', 'graph'], types: ['parts'] },
  system: { values: ['nn', 'graph'], types: ['parts', 'parts/*', 'text'] },
  recipes: { values: ['parts/*', 'system', 'nn'], types: ['parts'] },
  model: {
    values: ['recipes', 'system', 'nn', 'graph', 'onnx', 'runtime', 'checkpoint', 'text', 'media'],
    types: ['parts'],
    packages: ['node'],
  },
  data: { values: ['text', 'media'], packages: ['node', 'csv-parse', 'hyparquet', 'hyparquet-compressors'] },
  train: {
    values: ['model', 'data', 'system', 'nn', 'graph', 'onnx', 'media', 'machine', 'checkpoint', 'parallel'],
    types: ['runtime', 'parts', 'text'],
    packages: ['node', 'jiti', 'yaml', '*'],
  },
};

/** Folders that may import everything and say what they like: the command line, and the index of all. */
export const free: readonly string[] = ['cli', '.'];

/** What no folder below the command line may use, and what to do instead. */
export const forbidden: Readonly<Record<string, string>> = {
  'Math.random': 'take a seed, or a Random',
  'crypto.randomUUID': 'take a seed, or a Random',
  'crypto.getRandomValues': 'take a seed, or a Random',
  'Date.now': 'take the time as an argument',
  'Date()': 'take the time as an argument',
  'new Date': 'take the time as an argument',
  'performance.now': 'take a clock as an argument',
  'process.env': 'take the setting as an argument',
  'process.exit': 'throw a QuintetError',
  'process.stdout': 'report through a callback',
  'process.stderr': 'report through a callback',
};

/** A place where a rule does not hold, and why. */
export interface Exception {
  readonly path: string;
  /** The name that is used there, or the function that is long; none for a long file. */
  readonly name?: string;
  readonly reason: string;
}

export const exceptions: {
  readonly names: readonly Exception[];
  readonly files: readonly Exception[];
  readonly functions: readonly Exception[];
} = {
  names: [
    {
      path: 'src/model/load.ts',
      name: 'process.env',
      reason: "the default for where caches are and whether Hugging Face's may download",
    },
    {
      path: 'src/model/prompt.ts',
      name: 'new Date',
      reason: 'chat templates ask for the day by strftime_now, which transformers gives them',
    },
  ],
  files: [{ path: 'test/graph/samples/index.ts', reason: 'one table over all ops, a few lines each' }],
  functions: [],
};

/** Lines that a file and a function may have. */
export const limits = { file: 400, function: 60 } as const;

/** Absolute paths that tests may read: what the system says about the process itself, and its endless file. */
export const outsidePaths: readonly string[] = ['/proc/self/', '/dev/zero'];

/** What no text of the project says: where one machine keeps things, and what is about work rather than its result. */
export const unwanted: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /(?<![\w.}*])\/(?:work|tmp|root|Users)\//, what: 'a path of one machine' },
  { pattern: /\b(?:TODO|FIXME|XXX)\b/, what: 'unfinished work' },
  { pattern: /\b(?:sub-?agents?|as requested|reviewers?)\b/i, what: 'how the work went' },
];
