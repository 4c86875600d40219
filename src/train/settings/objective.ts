/**
 * The setting `objective` of a run file: a name, or settings with a `kind`:
 *
 *     objective: next-token
 *     objective: { kind: dpo, loss: ipo, beta: 0.1 }
 *     objective: { kind: grpo, reward: ./reward.ts, answers: 8, maxTokens: 128 }
 */
import { resolve } from 'node:path';
import {
  type CpoSettings,
  contrast,
  cpo,
  type DiffusionLossOptions,
  type DpoSettings,
  denoise,
  distil,
  dpo,
  flowWeights,
  type GrpoSettings,
  grpo,
  grpoLosses,
  type KtoSettings,
  kto,
  learnImageText,
  maskedWords,
  nameFeatures,
  nextToken,
  type Objective,
  orpo,
  preferenceLosses,
  rewardPairs,
  type SimpoSettings,
  simpo,
} from '../../system/index.js';
import { type Fields, fields, placed } from '../../tensor/index.js';
import {
  count,
  flag,
  given,
  lessThanHalf,
  part,
  positive,
  type Readers,
  refuseUnknown,
  share,
  weight,
  word,
} from './fields.js';
import { modelPlace } from './model-place.js';

/** What of samples becomes a batch. */
export type SampleForm =
  /** Conversations, of which what the assistant says is learnt, or everything; then texts alone, too. */
  | ChatForm
  /** Pairs of answers, or single ones that are rated. */
  | { readonly kind: 'pairs'; readonly margins?: boolean }
  | { readonly kind: 'rated' }
  /** Pictures with a caption each, which are compared. */
  | { readonly kind: 'captions' }
  /** Pictures with a caption each, to whose latents noise is added. */
  | { readonly kind: 'noisy' }
  /** Texts, of whose tokens a part is masked and guessed. */
  | { readonly kind: 'masked'; readonly guessed?: number }
  /** Prompts that the model answers itself. */
  | DrawnForm;

export interface ChatForm {
  readonly kind: 'chats';
  readonly learn?: 'answers' | 'all';
  /** The model whose scores of words are learnt: a folder or a hub name. */
  readonly teacher?: string;
}

export interface DrawnForm {
  readonly kind: 'prompts';
  /** The path of a module whose default rewards answers. */
  readonly reward: string;
  readonly answers?: number;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly scaled?: boolean;
}

/** What a stage minimises, and of what. */
export interface ObjectiveSettings {
  readonly objective: Objective;
  readonly form: SampleForm;
}

interface Made {
  readonly objective: Objective;
  readonly form?: Readonly<Record<string, unknown>>;
}

interface Kind {
  /** Of which samples it learns. */
  readonly samples: SampleForm['kind'];
  readonly readers: Readers;
  /** The objective, and what its form of samples has besides the kind. */
  make(settings: Record<string, unknown>, file: Fields, folder: string): Made;
}

const wordLosses: Readers = { smoothing: share, zLoss: weight };
const experts: Readers = { balance: weight };
/** A comparison of answers teaches the contrary below 0, and nothing at 0; so does smoothing above a half, and at it. */
const comparing: Readers = { beta: positive, smoothing: lessThanHalf };
const drawing: Readers = { answers: count, maxTokens: count, temperature: positive };

/** What an objective itself refuses is told with its place in the file. */
const placing =
  (objective: (settings: Record<string, unknown>) => Objective): Kind['make'] =>
  (settings, file) => {
    try {
      return { objective: objective(settings) };
    } catch (error) {
      throw placed(error, file.at);
    }
  };

const kinds: Readonly<Record<string, Kind>> = {
  'next-token': {
    samples: 'chats',
    readers: { ...wordLosses, ...experts, learn: word('answers', 'all') },
    make: ({ learn, ...settings }) => ({ objective: nextToken(settings), form: learntOf(learn) }),
  },
  distil: {
    samples: 'chats',
    readers: {
      ...{ temperature: positive, direction: word('forward', 'reverse'), weight: share },
      ...{ ...experts, learn: word('answers', 'all') },
      teacher: (file, name) => file.text(name),
    },
    make({ learn, teacher: _, ...settings }, file, folder) {
      const teacher = modelPlace(file.text('teacher'), folder);
      return { objective: distil(settings), form: { teacher, ...learntOf(learn) } };
    },
  },
  'name-features': {
    samples: 'chats',
    readers: { words: count },
    make: placing(nameFeatures),
  },
  'masked-words': {
    samples: 'masked',
    readers: { guessed: part },
    make: (settings) => ({ objective: maskedWords(), form: settings }),
  },
  contrast: { samples: 'captions', readers: {}, make: () => ({ objective: contrast() }) },
  'image-text': {
    samples: 'captions',
    readers: { contrast: weight, match: weight, caption: weight, temperature: positive, smoothing: share },
    make: (settings) => ({ objective: learnImageText(settings) }),
  },
  denoise: {
    samples: 'noisy',
    readers: { snrGamma: positive, weights: word(...Object.keys(flowWeights)) },
    make: (settings) => ({ objective: denoise(settings as DiffusionLossOptions) }),
  },
  dpo: {
    samples: 'pairs',
    readers: { loss: word(...Object.keys(preferenceLosses)), ...comparing, ...experts },
    make: placing((settings) => dpo(settings as DpoSettings)),
  },
  orpo: {
    samples: 'pairs',
    readers: { beta: positive, ...experts },
    make: (settings) => ({ objective: orpo(settings) }),
  },
  simpo: {
    samples: 'pairs',
    readers: { ...comparing, margin: weight, ...experts },
    make: (settings) => ({ objective: simpo(settings as SimpoSettings) }),
  },
  cpo: {
    samples: 'pairs',
    readers: { ...comparing, say: weight, ...experts },
    make: (settings) => ({ objective: cpo(settings as CpoSettings) }),
  },
  kto: {
    samples: 'rated',
    readers: { beta: positive, desirable: positive, undesirable: positive, ...experts },
    make: (settings) => ({ objective: kto(settings as KtoSettings) }),
  },
  reward: {
    samples: 'pairs',
    readers: { center: weight },
    make: (settings) => ({ objective: rewardPairs(settings), form: { margins: true } }),
  },
  grpo: {
    samples: 'prompts',
    readers: {
      ...{ loss: word(...Object.keys(grpoLosses)), beta: weight, iterations: count },
      ...{ epsilon: part, epsilonHigh: positive },
      ...{ ...drawing, ...experts, scaled: flag, reward: (file, name) => file.text(name) },
    },
    make(settings, file, folder) {
      const { loss, beta, iterations, epsilon, epsilonHigh, balance, ...drawn } = settings;
      const { maxTokens, temperature } = drawn;
      const own = { loss, beta, iterations, epsilon, epsilonHigh, balance, maxTokens, temperature };
      const there = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
      return {
        objective: grpo(there as GrpoSettings),
        form: { ...drawn, reward: resolve(folder, file.text('reward')) },
      };
    },
  },
};

/** What of a conversation is learnt, where it is not the answers alone. */
const learntOf = (learn: unknown) => (learn === 'all' ? { learn } : {});

/** What objectives are called in run files, and of which samples each learns. */
export const objectiveNames: readonly string[] = Object.keys(kinds);
export const samplesOf = (objective: string): SampleForm['kind'] => (kinds[objective] as Kind).samples;

/** Reads what a stage minimises; paths are relative to `folder`. */
export function objectiveOf(stage: Fields, folder: string): ObjectiveSettings {
  const isName = typeof stage.raw.objective === 'string';
  const file = isName
    ? fields({ kind: stage.choice('objective', objectiveNames) }, `${stage.at}.objective`)
    : stage.object('objective');
  const { samples, readers, make } = kinds[file.choice('kind', objectiveNames)] as Kind;
  refuseUnknown(file, ['kind', ...Object.keys(readers)]);
  const { objective, form } = make(given(file, readers), file, folder);
  return { objective, form: { ...form, kind: samples } as SampleForm };
}

/** What an objective of a recipe is given. */
export const recipeObjective = (objective: Objective = nextToken()): ObjectiveSettings => ({
  objective,
  form: { kind: objective.samples ?? 'chats' },
});
