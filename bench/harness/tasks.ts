/** What the process of a contender is asked to do, and what it answers: one line of JSON each. */

import type { Contender } from './benchmark.js';
import type { Resident } from './resident.js';

type Nothing = Record<never, never>;

export interface Tasks {
  /** Loads a program, without any model. */
  prepare: { asked: Pick<Contender, 'program' | 'settings'>; answer: Nothing };
  /** Opens what the settings name. Milliseconds until it is ready. */
  open: { asked: Nothing; answer: { readonly ms: number } };
  /** Answers prompts of so many tokens together, each with exactly `count` tokens. Milliseconds until the first and until the last. */
  answer: {
    asked: { readonly prompts: readonly number[]; readonly count: number };
    answer: { readonly first: number; readonly last: number };
  };
  /**
   * Talks about a long text and about two picture files. Milliseconds until the first token of answers to a question, to
   * another one, and to one about the same picture in another conversation; and the longest pauses of the event loop.
   */
  talk: {
    asked: { readonly pictures: readonly [before: string, asked: string] };
    answer: {
      readonly text: { readonly first: number; readonly second: number };
      readonly picture: { readonly first: number; readonly second: number; readonly elsewhere: number };
      readonly pauses: Readonly<Record<'opening' | 'writing' | 'JSON' | 'pictures' | 'copying', number>>;
    };
  };
  /** Processes a picture file again and again, so many at a time. Milliseconds of all. */
  process: {
    asked: { readonly file: string; readonly together: number; readonly times: number };
    answer: { readonly ms: number };
  };
  /**
   * Trains so many steps, and some before. The median of their milliseconds, the part of their time that they waited for
   * data, the most memory in MiB, and the losses of all steps.
   */
  train: {
    asked: { readonly steps: number };
    answer: {
      readonly step: number;
      readonly waiting: number;
      readonly peak: number;
      readonly losses: readonly number[];
    };
  };
  memory: { asked: Nothing; answer: Resident };
}

export type TaskName = keyof Tasks;

export type Request = { [name in TaskName]: { readonly task: name } & Tasks[name]['asked'] }[TaskName];

/** Marks lines that are answers among what libraries print. */
export const answerMark = '@answer ';
