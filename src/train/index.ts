export type { Evaluated } from './evaluations.js';
export type { Evaluation } from './log-record.js';
export { report } from './report/index.js';
export { type RunOptions, type RunResult, runFile, type StagePlan } from './run.js';
export { outputOf, type RunFile, type RunStage } from './run-file.js';
export { type SampleOptions, sampleBatches } from './samples.js';
export type { EvaluationSettings } from './settings/evaluation.js';
export { type BatchSource, type StepReport, type TrainOptions, type TrainResult, train } from './train.js';
export type { EvaluationPlan } from './watch.js';
