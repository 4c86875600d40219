/**
 * The setting `optimizer` of a run file:
 *
 *     optimizer:
 *       kind: adamw               # default; adam, adamax, nadam, radam, lion, sgd, rmsprop, adagrad, adafactor, muon
 *       lr: 2e-5
 *       warmup: 0.03              # a part of the run below 1, or a number of steps
 *       schedule: cosine          # or with settings: { kind: polynomial, power: 2 }
 *       minimum: 0.1              # where the schedule ends, as a part of lr
 *       decay: 0.01
 *       decayOn: matrices         # or all
 *       clip: 1                   # the norm of gradients; 0 for none
 *       betas: [0.9, 0.999]       # and the other settings of its kind
 *       groups: [{ on: ['**.bias'], lr: 1e-4, decay: 0 }]
 *       average: { decay: 0.999, use: true }
 */
import type { Curve, Muon, Optimizer, ParameterGroup, Schedule, Share, WeightAverage } from '../../system/index.js';
import { type Fields, QuintetError } from '../../tensor/index.js';
import { flag, given, number, type Read, type Readers, refuseUnknown, word } from './fields.js';

const pair: Read = (file, name) => {
  const numbers = file.numbers(name);
  if (numbers.length === 2) return numbers;
  throw new QuintetError('config', `expected two numbers, got ${numbers.length}`, { at: `${file.at}.${name}` });
};
/** A part below 1, or a number of steps. */
const share: Read = (file, name): Share => {
  const given = file.number(name);
  return given < 1 ? given : { steps: file.whole(name) };
};

const moments: Readers = { betas: pair, eps: number };

/** Besides the settings that all have. */
const ofKind: { readonly [K in Optimizer['kind']]: Readers } = {
  adamw: { ...moments, amsgrad: flag },
  adam: { ...moments, amsgrad: flag },
  adamax: moments,
  nadam: { ...moments, momentumDecay: number },
  radam: moments,
  lion: { betas: pair },
  sgd: { momentum: number, dampening: number, nesterov: flag },
  rmsprop: { smoothing: number, eps: number, momentum: number, centered: flag },
  adagrad: { eps: number, rateDecay: number },
  adafactor: {
    ...{ eps: pair, threshold: number, smoothing: number, beta1: number, scaled: flag, relative: flag },
    form: word('transformers', 'torch'),
  },
  muon: { momentum: number, nesterov: flag, adjust: word('original', 'match-rms'), rest: restOf },
};

const descents = ['linear', 'cosine', '1-sqrt'];

const ofCurve: { readonly [K in Curve['kind']]: Readers } = {
  constant: {},
  linear: {},
  cosine: { cycles: number },
  'cosine-with-restarts': { cycles: number },
  'cosine-warmup-with-min-lr': { from: number },
  polynomial: { power: number },
  'inverse-sqrt': { timescale: number },
  'warmup-stable-decay': { decay: share, shape: word(...descents), warmupShape: word(...descents) },
  'one-cycle': { rising: number, beginsAt: number, endsAt: number },
  step: { every: number, factor: number },
};
/** Fields that a curve cannot be without. */
const needed: Partial<Record<Curve['kind'], string>> = { 'warmup-stable-decay': 'decay', step: 'every' };

/** What all have, and are taken from a recipe's stage whatever the kind. */
const ofRun: Readers = {
  ...{ warmup: share, schedule: scheduleOf, minimum: number, clip: number },
  decayOn: word('matrices', 'all'),
};
const common: Readers = { ...ofRun, decay: number, groups: groupsOf, average: averageOf };

/** The optimiser that a stage asks for; what it leaves out is taken from `base`, its own settings from one of its kind. */
export function optimizerOf(file: Fields, base: Optimizer | undefined): Optimizer {
  const kinds = Object.keys(ofKind) as Optimizer['kind'][];
  const kind = file.choice('kind', kinds, base?.kind ?? 'adamw');
  const readers = { ...common, ...ofKind[kind] };
  refuseUnknown(file, ['kind', 'lr', ...Object.keys(readers)]);
  const same = base?.kind === kind ? base : undefined;
  const inherited = same ?? Object.fromEntries(Object.entries(base ?? {}).filter(([name]) => name in ofRun));
  return { ...inherited, kind, lr: file.number('lr', same?.lr), ...given(file, readers) } as Optimizer;
}

function scheduleOf(file: Fields, name: string): Schedule['schedule'] {
  const kinds = Object.keys(ofCurve) as Curve['kind'][];
  const isName = typeof file.raw[name] === 'string';
  const curve = isName ? undefined : file.object(name);
  const kind = (curve ?? file).choice(curve ? 'kind' : name, kinds);
  const missing = needed[kind];
  if (missing !== undefined && !curve?.has(missing)) {
    throw new QuintetError('config', `the schedule ${kind} needs its field "${missing}"`, {
      at: `${file.at}.${name}`,
      hint: `such as { kind: ${kind}, ${missing}: ${missing === 'decay' ? 0.1 : 100} }`,
    });
  }
  if (!curve) return kind as Schedule['schedule'];
  refuseUnknown(curve, ['kind', ...Object.keys(ofCurve[kind])]);
  return { kind, ...given(curve, ofCurve[kind]) } as Curve;
}

function groupsOf(file: Fields, name: string): ParameterGroup[] {
  return file.objects(name).map((group) => {
    refuseUnknown(group, ['on', 'lr', 'decay']);
    return { on: group.texts('on'), ...given(group, { lr: number, decay: number }) };
  });
}

function averageOf(file: Fields, name: string): WeightAverage {
  const average = file.object(name);
  refuseUnknown(average, ['decay', 'use']);
  return { decay: average.number('decay'), ...given(average, { use: flag }) };
}

function restOf(file: Fields, name: string): Muon['rest'] {
  const rest = file.object(name);
  const readers = { ...moments, decay: number, on: (own: Fields, field: string) => own.texts(field) };
  refuseUnknown(rest, ['lr', ...Object.keys(readers)]);
  return { lr: rest.number('lr'), ...given(rest, readers) };
}
