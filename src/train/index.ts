export { type RunOptions, type RunResult, runFile, type StagePlan } from './run.js';
export type { RunFile, RunStage } from './run-file.js';
export { type SampleOptions, sampleBatches } from './samples.js';
export { type BatchSource, type StepReport, type TrainOptions, type TrainResult, train } from './train.js';
