/** Batches of chats with what a teacher says of them: its scores of words, `teacher_logits` [B, T, V]. */

import { graph } from '../graph/index.js';
import { asSystem, createProcessor, type LoadOptions, load, type Model, openSession } from '../model/index.js';
import { rootScope } from '../nn/index.js';
import type { Session } from '../runtime/engine.js';
import { type HostArrays, type InputType, inputTensors, type System } from '../system/index.js';
import { closeAll, closeOnFailure, type HostArray, QuintetError, zerosArray } from '../tensor/index.js';
import { sessionMemory } from './estimate/memory.js';
import { measure, sizesOf } from './estimate/schedule.js';
import type { SampleOptions } from './samples.js';
import type { BatchSource } from './train.js';

export interface TeacherOptions extends Pick<SampleOptions, 'sizesOnly'>, Pick<LoadOptions, 'hub'> {
  /** A folder or a hub name. */
  readonly teacher: string;
}

/** The teacher's weights are mapped at once, its session is opened for the first batch; both are closed with the batches. */
export async function taughtBatches(
  student: Model<System>,
  source: BatchSource,
  { teacher: path, sizesOnly = false, hub }: TeacherOptions,
): Promise<BatchSource> {
  // A revision, and some files of it, are the student's.
  const { revision: _, files: __, ...place } = hub ?? {};
  const teacher = asSystem(await load(path, { engine: student.engine, hub: place }));
  return closeOnFailure([teacher], async () => {
    checkWords(student, teacher, path);
    const types = typesOf(teacher, source.fields);
    const { p, declarations } = rootScope();
    const { logits } = teacher.network.forward(teacher.adapt(p), inputTensors(types));
    if (!logits) throw new QuintetError('unsupported', 'it gives no scores of words', { at: path });
    const built = graph('teacher', { teacher_logits: logits });
    const memory = sessionMemory(teacher, built, declarations);
    let session: Promise<Session> | undefined;
    const say = async (batch: HostArrays): Promise<HostArrays> => {
      if (sizesOnly) return { teacher_logits: zerosArray('f32', logits.shape.map(measure(sizesOf(types, batch)).dim)) };
      session ??= openSession(teacher, built, declarations);
      const opened = await session;
      return opened.run(Object.fromEntries(opened.inputs.map((name) => [name, batch[name] as HostArray])));
    };
    return {
      ...source,
      fields: [...source.fields, 'teacher_logits'],
      memory: (batches) => memory.held + Math.max(...batches.map((batch) => memory.values(sizesOf(types, batch)))),
      async take(step, ...rest) {
        const taught = [];
        for (const batch of await source.take(step, ...rest)) taught.push({ ...batch, ...(await say(batch)) });
        return taught;
      },
      close: () => closeAll(source, { close: async () => (await session)?.close() }, teacher),
    };
  });
}

/** What the teacher takes of a batch's fields, which is to be all of them. */
function typesOf({ network }: Model<System>, names: readonly string[]): Readonly<Record<string, InputType>> {
  return Object.fromEntries(
    names.map((name) => {
      const type = network.inputs[name];
      if (type) return [name, type];
      throw new QuintetError('config', `the teacher, ${network.name}, takes no ${name}`, { at: 'teacher' });
    }),
  );
}

/** What a teacher says of words can be learnt by whoever has the same ones. */
function checkWords(student: Model<System>, teacher: Model<System>, at: string): void {
  const words = (model: Model<System>): number => model.network.backbone.part.vocab;
  const [own, other] = [student, teacher].map((model) => createProcessor(model).tokenizer);
  const count = Math.min(words(student), words(teacher));
  const apart = Array.from({ length: count }, (_, id) => id).find((id) => own?.tokenOf(id) !== other?.tokenOf(id));
  if (words(student) === words(teacher) && apart === undefined) return;
  const why =
    apart === undefined
      ? `it has ${words(teacher)} words, and the student ${words(student)}`
      : `its word ${apart} is ${JSON.stringify(other?.tokenOf(apart))}, the student's ${JSON.stringify(own?.tokenOf(apart))}`;
  throw new QuintetError('config', `the teacher speaks with other words: ${why}`, { at });
}
