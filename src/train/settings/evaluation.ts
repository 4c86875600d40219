/**
 * What of a run file says how a stage is looked at while it trains. For all stages, or for one in place of that:
 *
 *     evaluate: { data: held-out.jsonl, pictures: pictures, every: 100, batch: 8 }   # every so many steps; default 100
 *     samples:                       # what is asked at each evaluation; the answers are logged
 *       - { pictures: [cat.png], prompt: What is this?, maxTokens: 64 }
 *     keepBest: true                 # the stage ends with the values that did best on held-out samples
 *     earlyStopping: { patience: 3, least: 0.01 }   # ends after so many evaluations that were not better by `least`
 */
import { resolve } from 'node:path';
import { type Fields, QuintetError } from '../../tensor/index.js';
import { type DataSource, sourceFields, sourcesOf } from './data.js';
import { refuseUnknown } from './fields.js';

export interface EvaluationSettings {
  /** Steps between evaluations; there is one before the first step and one after the last, too. */
  readonly every: number;
  readonly heldOut?: HeldOut;
  readonly samples: readonly SampleQuestion[];
  readonly keepBest: boolean;
  readonly earlyStopping?: EarlyStopping;
}

/** Samples that are not learnt from. */
export interface HeldOut {
  readonly data: readonly DataSource[];
  /** Samples computed at once; default as many as in training. */
  readonly batch?: number;
}

export interface SampleQuestion {
  readonly prompt: string;
  /** Absolute paths. */
  readonly pictures: readonly string[];
  readonly maxTokens: number;
}

export interface EarlyStopping {
  /** Evaluations in a row that may be no better than the best. */
  readonly patience: number;
  /** By how much the loss must fall, or the reward rise, to count as better. */
  readonly least: number;
}

export const evaluationFields = ['evaluate', 'samples', 'keepBest', 'earlyStopping'] as const;

/** A stage's settings; undefined where it is not evaluated. Paths are relative to `folder`. */
export function evaluationOf(stage: Fields, file: Fields, folder: string): EvaluationSettings | undefined {
  const placeOf = (name: (typeof evaluationFields)[number]): Fields => (stage.has(name) ? stage : file);
  const evaluate = placeOf('evaluate').object('evaluate', { optional: true });
  refuseUnknown(evaluate, [...sourceFields, 'every', 'batch']);
  const heldOut = evaluate.has('data') ? heldOutOf(evaluate, folder) : undefined;
  const samples = placeOf('samples').has('samples') ? placeOf('samples').objects('samples') : [];
  const settings: EvaluationSettings = {
    every: evaluate.count('every', 100),
    samples: samples.map((sample) => questionOf(sample, folder)),
    keepBest: placeOf('keepBest').flag('keepBest', false),
    ...(heldOut ? { heldOut } : {}),
    ...stoppingOf(placeOf('earlyStopping')),
  };
  if (!heldOut && (settings.keepBest || settings.earlyStopping)) {
    const field = settings.keepBest ? 'keepBest' : 'earlyStopping';
    throw new QuintetError('config', 'what is best is known by held-out samples only', {
      at: `${placeOf(field).at}: ${field}`,
      hint: 'give evaluate: { data: … }',
    });
  }
  if (heldOut || settings.samples.length > 0) return settings;
  if (!placeOf('evaluate').has('evaluate')) return undefined;
  throw new QuintetError('config', 'there is nothing to evaluate', {
    at: evaluate.at,
    hint: 'give it `data`, or the run `samples`',
  });
}

function heldOutOf(evaluate: Fields, folder: string): HeldOut {
  return {
    data: sourcesOf(evaluate, folder),
    ...(evaluate.has('batch') ? { batch: evaluate.count('batch') } : {}),
  };
}

function questionOf(sample: Fields, folder: string): SampleQuestion {
  refuseUnknown(sample, ['pictures', 'prompt', 'maxTokens']);
  return {
    prompt: sample.text('prompt'),
    pictures: sample.texts('pictures', []).map((path) => resolve(folder, path)),
    maxTokens: sample.count('maxTokens', 64),
  };
}

function stoppingOf(place: Fields): Pick<EvaluationSettings, 'earlyStopping'> {
  if (!place.has('earlyStopping')) return {};
  const stopping = place.object('earlyStopping');
  refuseUnknown(stopping, ['patience', 'least']);
  const least = stopping.number('least', 0);
  if (least < 0) {
    throw new QuintetError('config', `expected a number from 0 on, got ${least}`, { at: `${stopping.at}.least` });
  }
  return { earlyStopping: { patience: stopping.count('patience'), least } };
}
