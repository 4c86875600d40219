/** The errors of a session that do not come from what it is given. */
import type { OnnxModel } from '../onnx/index.js';
import { QuintetError } from '../tensor/index.js';

/** Throws where a session was closed (code 'engine') or a run is not wanted any more (code 'aborted'). */
export function checkOpen(model: OnnxModel, open: boolean, signal: AbortSignal | undefined): void {
  if (!open) throw new QuintetError('engine', 'the session is closed', { at: model.name });
  if (signal?.aborted) throw stopped(model, signal);
}

/** Its cause is the reason that the signal was given. */
export function stopped(model: OnnxModel, { reason }: AbortSignal): QuintetError {
  return new QuintetError('aborted', 'the run was stopped', { at: model.name, cause: reason });
}

/** ONNX Runtime's message as an error of code 'engine' that says at which node. */
export function failure(model: OnnxModel, cause: unknown): QuintetError {
  const { message } = cause as Error;
  const node = /Name:'([^']*)' Status Message: (.*)/s.exec(message);
  return node
    ? new QuintetError('engine', node[2] as string, { at: `${model.name}, node ${node[1]}`, cause })
    : new QuintetError('engine', message, { at: model.name, cause });
}
