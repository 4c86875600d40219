/**
 * How values are updated from gradients, as data: what all optimisers have in common, and the settings of each. What is
 * left out has the default of torch, of Adafactor transformers'.
 */
import type { Glob } from '../nn/index.js';
import type { Schedule } from './schedule.js';

/** Parameters with settings of their own. */
export interface ParameterGroup {
  /** Patterns over their names. A parameter belongs to the first group that has it. */
  readonly on: readonly Glob[];
  /** In place of the optimiser's; the schedule is the same. */
  readonly lr?: number;
  /** In place of the optimiser's, whatever `decayOn` says. */
  readonly decay?: number;
}

/** A second set of values that follows the first: Polyak and Juditsky, 1992. */
export interface WeightAverage {
  /** How much of the average stays in each step, such as 0.999. */
  readonly decay: number;
  /** Whether the averages are the result of the stage, and what is evaluated; default true. Otherwise they are only kept. */
  readonly use?: boolean;
}

interface Common extends Schedule {
  /** Weight decay; default 0. */
  readonly decay?: number;
  /** What decays: matrices only (default), or everything. */
  readonly decayOn?: 'matrices' | 'all';
  /** Gradients are scaled down to this norm; default 1, 0 for never. */
  readonly clip?: number;
  readonly groups?: readonly ParameterGroup[];
  /** Default none. */
  readonly average?: WeightAverage;
}

interface Moments {
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
}

/** Decay is apart from the gradient: Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101 */
export interface AdamW extends Common, Moments {
  readonly kind: 'adamw';
  /** Whether the second moment never falls: Reddi et al., 2018, https://arxiv.org/abs/1904.09237; default false. */
  readonly amsgrad?: boolean;
}

/** Decay is added to the gradient (L2): Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980 */
export interface Adam extends Common, Moments {
  readonly kind: 'adam';
  readonly amsgrad?: boolean;
}

/** Adam by the largest gradient: Kingma and Ba, section 7. Decay is L2. */
export interface Adamax extends Common, Moments {
  readonly kind: 'adamax';
}

/** Adam with Nesterov's momentum: Dozat, 2016. Decay is L2. */
export interface NAdam extends Common, Moments {
  readonly kind: 'nadam';
  /** How fast momentum grows to its full strength; default 0.004. */
  readonly momentumDecay?: number;
}

/** Adam that warms itself up: Liu et al., 2020, https://arxiv.org/abs/1908.03265. Decay is L2. */
export interface RAdam extends Common, Moments {
  readonly kind: 'radam';
}

/** Steps of one size, by sign: Chen et al., 2023, https://arxiv.org/abs/2302.06675. Decay is apart from the gradient. */
export interface Lion extends Common {
  readonly kind: 'lion';
  /** Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
}

/** Gradient descent. Decay is L2. */
export interface SGD extends Common {
  readonly kind: 'sgd';
  /** Default 0. */
  readonly momentum?: number;
  /** How much of a gradient does not enter the momentum; default 0. */
  readonly dampening?: number;
  /** Whether a step looks ahead: Sutskever et al., 2013; default false. */
  readonly nesterov?: boolean;
}

/** Tieleman and Hinton, 2012. Decay is L2. */
export interface RMSprop extends Common {
  readonly kind: 'rmsprop';
  /** How much of the mean square stays in each step; default 0.99. */
  readonly smoothing?: number;
  readonly eps?: number;
  readonly momentum?: number;
  /** Whether squares are those of deviations from the mean; default false. */
  readonly centered?: boolean;
}

/** Duchi et al., 2011. Decay is L2. */
export interface Adagrad extends Common {
  readonly kind: 'adagrad';
  /** Default 1e-10. */
  readonly eps?: number;
  /** The rate is divided by 1 + this a step; default 0. */
  readonly rateDecay?: number;
}

/** Second moments by row and column, in little memory: Shazeer and Stern, 2018, https://arxiv.org/abs/1804.04235 */
export interface Adafactor extends Common {
  readonly kind: 'adafactor';
  /** Added to squared gradients, and the least size that a tensor counts as having; default [1e-30, 1e-3]. */
  readonly eps?: readonly [number, number];
  /** The root mean square that an update is scaled down to; default 1. */
  readonly threshold?: number;
  /** The second moment's decay is 1 - step^this; default -0.8. */
  readonly smoothing?: number;
  /** Of a first moment; default none. */
  readonly beta1?: number;
  /** Whether steps are in proportion to a tensor's size; default false. */
  readonly scaled?: boolean;
  /** Whether the rate is at most 1 / sqrt(step); default false. */
  readonly relative?: boolean;
  /**
   * Whose arithmetic: torch's is always scaled and relative, decays by the rate alone, and its first eps, by default
   * 2^-23, is the root of the least second moment; default transformers'.
   */
  readonly form?: 'transformers' | 'torch';
}

/** What Muon leaves to AdamW. */
export interface MuonRest extends Moments {
  readonly lr: number;
  readonly decay?: number;
  /** Matrices that are tables or heads and no maps between hidden states; default none. */
  readonly on?: readonly Glob[];
}

/**
 * Steps that are orthogonal matrices: Jordan et al., 2024, https://kellerjordan.github.io/posts/muon; decay is apart from
 * the gradient.
 */
export interface Muon extends Common {
  readonly kind: 'muon';
  /** Default 0.95. */
  readonly momentum?: number;
  /** Default true. */
  readonly nesterov?: boolean;
  /** How rates follow the shape: `original` for a rate of its own, `match-rms` for one that AdamW would have; default the first. */
  readonly adjust?: 'original' | 'match-rms';
  /** For parameters that are no matrices, and those it names; default none, where all are matrices. */
  readonly rest?: MuonRest;
}

export type Optimizer = AdamW | Adam | Adamax | NAdam | RAdam | Lion | SGD | RMSprop | Adagrad | Adafactor | Muon;

type Settings<O extends Optimizer> = Omit<O, 'kind'>;

export const adamw = (settings: Settings<AdamW>): AdamW => ({ kind: 'adamw', ...settings });
export const adam = (settings: Settings<Adam>): Adam => ({ kind: 'adam', ...settings });
export const adamax = (settings: Settings<Adamax>): Adamax => ({ kind: 'adamax', ...settings });
export const nadam = (settings: Settings<NAdam>): NAdam => ({ kind: 'nadam', ...settings });
export const radam = (settings: Settings<RAdam>): RAdam => ({ kind: 'radam', ...settings });
export const lion = (settings: Settings<Lion>): Lion => ({ kind: 'lion', ...settings });
export const sgd = (settings: Settings<SGD>): SGD => ({ kind: 'sgd', ...settings });
export const rmsprop = (settings: Settings<RMSprop>): RMSprop => ({ kind: 'rmsprop', ...settings });
export const adagrad = (settings: Settings<Adagrad>): Adagrad => ({ kind: 'adagrad', ...settings });
export const adafactor = (settings: Settings<Adafactor>): Adafactor => ({ kind: 'adafactor', ...settings });
export const muon = (settings: Settings<Muon>): Muon => ({ kind: 'muon', ...settings });
