/** What `quintet train` says while features of pictures are computed, of memory, and where a stage ended by its evaluations. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { ProgressLine } from '../../src/cli/terminal.js';
import { trainEvents, trainLines } from '../../src/cli/train-progress.js';
import type { RunStage, StepReport } from '../../src/train/index.js';

const stage = { name: 'align', batch: 2 } as RunStage;
const report: StepReport = {
  ...{ step: 1, steps: 9, loss: 2, targets: 4, tokens: 0, rate: 1e-3, norm: 1, time: 1000, waited: 500 },
};

test('how many samples have been seen, how fast, and how long the rest takes, until all have been', () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  let time = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => time);
  onTestFinished(() => void vi.restoreAllMocks());
  const shown: string[] = [];
  const stream = { write: (text: string) => shown.push(text) > 0 } as unknown as NodeJS.WritableStream;
  const progress = trainLines(new ProgressLine(stream, 0));
  const seen = (samples: number): string[] => {
    progress.features(stage, { samples, of: 10 });
    return shown.splice(0);
  };
  progress.stage(stage, { samples: 10, steps: 9, folder: 'out' });
  expect(seen(2)).toEqual(['align  features 2/10\n']);
  time = 2000;
  expect(seen(6)).toEqual(['align  features 6/10, 2/s, 2.00 s left\n']);
  progress.step(stage, report);
  expect(shown.splice(0)[0]).toMatch(/^align {2}1\/9 {2}loss 2\.0000 .*features 6\/10, 2\/s, 2\.00 s left\n$/);
  // Beside the steps it has no line of its own.
  expect(seen(8)).toEqual([]);
  expect(seen(10)).toEqual([]);
  progress.step(stage, { ...report, step: 2 });
  expect(shown.splice(0)[0]).not.toContain('features');
  progress.stage(stage, { samples: 10, steps: 9, folder: 'out' });
  expect(seen(2)).toEqual(['align  features 2/10\n']);
});

test('that a stage was stopped early is said, why, and what was kept', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  const stream = { write: () => true } as unknown as NodeJS.WritableStream;
  const own = { ...stage, evaluation: { earlyStopping: { patience: 2, least: 0.1 } } } as RunStage;
  trainLines(new ProgressLine(stream, 0)).ended(own, { step: 8, of: 40, early: true, best: 4 });
  expect(written.mock.calls.map(([text]) => text).join('')).toBe(
    'align: stopped early after step 8 of 40: the last 2 evaluations were not better by 0.1\n' +
      'align: kept the values of step 4, which did best on held-out samples\n',
  );
});

/** What `trainLines` says of steps. */
function said(...reports: Partial<StepReport>[]): { readonly shown: readonly string[]; readonly noted: string } {
  let noted = '';
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    noted += text;
    return true;
  });
  const shown: string[] = [];
  const stream = { write: (text: string) => shown.push(text) > 0 } as unknown as NodeJS.WritableStream;
  const progress = trainLines(new ProgressLine(stream, 0));
  progress.stage({ ...stage, longest: 64 }, { samples: 4, steps: 9, folder: 'out' });
  for (const own of reports) progress.step({ ...stage, longest: 64 }, { ...report, ...own });
  spy.mockRestore();
  return { shown, noted };
}

test('beside the loss stand the metrics that tell most', () => {
  const metrics = { 'logps/chosen': -9, 'rewards/margins': 0.31249, 'rewards/accuracies': 0.75 };
  expect(said({ metrics }).shown[0]).toContain('loss 2.0000  accuracy 0.75  margin 0.312  ');
  expect(said({ metrics: { reward: 1.5, 'reward/equal': 1 } }).shown[0]).toContain('reward 1.5  alike 1  ');
});

test('how many samples were cut is said once, when all have come', () => {
  const { noted } = said({ step: 1, cut: 1 }, { step: 2 }, { step: 3, cut: 2 }, { step: 9, cut: 1 });
  expect(noted.match(/were longer/g)).toHaveLength(1);
  expect(noted).toContain('align: 1 of 4 samples (25 %) were longer than 64 tokens and have been cut\n');
});

test('programs are told the same numbers', () => {
  const lines: string[] = [];
  trainEvents((line) => lines.push(line)).features(stage, { samples: 3, of: 10 });
  expect(lines.map((line) => JSON.parse(line))).toEqual([{ event: 'features', stage: 'align', samples: 3, of: 10 }]);
});

test('what came before the steps and took more than they will is said with the estimate', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const usage = process.resourceUsage();
  const peak = vi.spyOn(process, 'resourceUsage').mockReturnValue({ ...usage, maxRSS: 1.5e6 });
  onTestFinished(() => void vi.restoreAllMocks());
  const progress = trainLines(new ProgressLine({ write: () => true } as unknown as NodeJS.WritableStream, 0));
  progress.estimate(stage, { estimated: { memory: 649e6 } });
  progress.estimate(stage, { estimated: { memory: 649e6, time: 9000 } });
  peak.mockReturnValue({ ...usage, maxRSS: 6e5 });
  progress.estimate(stage, { estimated: { memory: 649e6 } });
  expect(written.mock.calls.map(([text]) => text).join('')).toBe(
    'align: the steps take about 649 MB; before them the process took up to 1.54 GB\n' +
      'align: the steps take about 649 MB and 9.00 s\n' +
      'align: the steps take about 649 MB\n',
  );
});
