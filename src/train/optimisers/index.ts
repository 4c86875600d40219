/** Optimisers by kind, and one step of one over an arena. */

import { matches } from '../../nn/index.js';
import type { Optimizer } from '../../system/index.js';
import { QuintetError } from '../../tensor/index.js';
import { type Arena, paddedBytes, type TrainedTensor } from '../arena.js';
import { checkSchedule } from '../schedule.js';
import { adafactorRule } from './adafactor.js';
import { adagradRule } from './adagrad.js';
import { adamRule, adamwRule, nadamRule, radamRule } from './adam.js';
import { adamaxRule } from './adamax.js';
import { lionRule } from './lion.js';
import { muonRule } from './muon.js';
import { rmspropRule } from './rmsprop.js';
import { type Check, checkPatterns, type OptimiserHost, type OptimiserRule } from './rule.js';
import { sgdRule } from './sgd.js';

const rules: { readonly [K in Optimizer['kind']]: OptimiserRule<Extract<Optimizer, { readonly kind: K }>> } = {
  adamw: adamwRule,
  adam: adamRule,
  adamax: adamaxRule,
  nadam: nadamRule,
  radam: radamRule,
  lion: lionRule,
  sgd: sgdRule,
  rmsprop: rmspropRule,
  adagrad: adagradRule,
  adafactor: adafactorRule,
  muon: muonRule,
};

const ruleOf = (optimizer: Optimizer): OptimiserRule<Optimizer> =>
  rules[optimizer.kind] as unknown as OptimiserRule<Optimizer>;

/** The state that an optimiser keeps for a tensor, as an arena takes it. */
export const stateFor =
  (optimizer: Optimizer) =>
  (tensor: TrainedTensor): Readonly<Record<string, readonly number[]>> =>
    ruleOf(optimizer).state(optimizer, tensor);

export interface StepSettings {
  /** Counted from 1, over the whole run. */
  readonly step: number;
  /** What learning rates are multiplied by in this step. */
  readonly factor: number;
  /** What the gradients are multiplied by, such as the factor of clipping; default 1. */
  readonly gradientScale?: number;
}

export interface Optimiser {
  /** Updates values and state of an arena from its gradients, which are used up. */
  step(settings: StepSettings): Promise<void>;
  close(): Promise<void>;
}

/** An optimiser over the tensors of an arena. */
export function openOptimiser(
  optimizer: Optimizer,
  arena: Arena,
  openSession: OptimiserHost['openSession'],
): Optimiser {
  const updater = ruleOf(optimizer).open(optimizer, { memory: arena.memory, openSession });
  const numbers = (region: Arena['values'] | undefined, name: string) => region?.tensors[name]?.data as Float32Array;
  const tensors = Object.entries(arena.values.tensors).map(([name, { shape }]) => {
    const state = Object.entries(arena.state).filter(([, region]) => region.tensors[name]);
    return {
      ...{ name, shape, values: numbers(arena.values, name), gradients: numbers(arena.gradients, name) },
      state: Object.fromEntries(state.map(([key, region]) => [key, numbers(region, name)])),
      bytes: paddedBytes(shape),
      ...ratesOf(optimizer, { name, shape }),
    };
  });
  return {
    async step({ step, factor, gradientScale = 1 }) {
      for (const { lr, ...tensor } of tensors) {
        const done = updater.update({ ...tensor, step, rate: lr * factor, gradientScale });
        if (done) await done;
      }
    },
    close: async () => updater.close?.(),
  };
}

/** The learning rate and decay of a tensor: of its group, of its kind, or of all. */
function ratesOf(optimizer: Optimizer, tensor: TrainedTensor): { readonly lr: number; readonly decay: number } {
  const group = optimizer.groups?.find(({ on }) => matches(tensor.name, on));
  const own = ruleOf(optimizer).rates?.(optimizer, tensor) ?? {};
  const decays = optimizer.decayOn === 'all' || tensor.shape.length >= 2;
  return {
    lr: group?.lr ?? own.lr ?? optimizer.lr,
    decay: group?.decay ?? own.decay ?? (decays ? (optimizer.decay ?? 0) : 0),
  };
}

/** Refuses settings that cannot be meant, before the first of `total` steps. `at` names them for error messages. */
export function checkOptimizer(optimizer: Optimizer, total: number, at: string): void {
  checkSchedule(optimizer, total, at);
  const { lr, decay = 0, clip = 1, groups = [], average } = optimizer;
  const check = checkAt(at);
  const checkDecay = (field: string, own: number, rate: number) =>
    check(field, own, own >= 0 && rate * own < 1, 'a number from 0 to less than 1 / lr');
  ruleOf(optimizer).check(optimizer, check);
  checkDecay('decay', decay, lr);
  check('clip', clip, clip >= 0, 'a norm, or 0 for none');
  for (const [i, group] of groups.entries()) {
    const own = group.lr ?? lr;
    check(`groups[${i}].lr`, own, own >= 0 && own < Number.POSITIVE_INFINITY, 'a rate from 0 on');
    checkDecay(`groups[${i}].decay`, group.decay ?? decay, own);
  }
  if (average)
    check('average.decay', average.decay, average.decay > 0 && average.decay < 1, 'a number between 0 and 1');
}

/** Refuses an optimiser that is not for these tensors, and groups that none of them is in. */
export function checkTensors(optimizer: Optimizer, tensors: readonly TrainedTensor[], at: string): void {
  const check = checkAt(at);
  ruleOf(optimizer).checkTensors?.(optimizer, tensors, check);
  for (const [i, { on }] of (optimizer.groups ?? []).entries()) checkPatterns(`groups[${i}].on`, on, tensors, check);
}

function checkAt(at: string): Check {
  return (field, value, accepted, expected) => {
    if (!accepted) throw new QuintetError('config', `expected ${expected}, got ${value}`, { at: `${at}.${field}` });
  };
}
