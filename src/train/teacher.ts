/** Batches of chats with what a teacher says of them: its scores of words, `teacher_logits` [B, T, V]. */

import { asSystem, compile, createProcessor, load, type Model } from '../model/index.js';
import { inputTensors, type System } from '../system/index.js';
import { closeAll, closeOnFailure, QuintetError } from '../tensor/index.js';
import type { BatchSource } from './train.js';

/** The teacher is a folder or a hub name; it is open as long as the batches are. */
export async function taughtBatches(student: Model<System>, source: BatchSource, path: string): Promise<BatchSource> {
  const teacher = asSystem(await load(path, { engine: student.engine }));
  return closeOnFailure([teacher], async () => {
    const { network } = teacher;
    checkWords(student, teacher, path);
    const unseen = source.fields.find((name) => !Object.hasOwn(network.inputs, name));
    if (unseen !== undefined) {
      throw new QuintetError('config', `the teacher, ${network.name}, takes no ${unseen}`, { at: 'teacher' });
    }
    const types = Object.fromEntries(source.fields.map((name) => [name, network.inputs[name] as Input]));
    const session = await compile(teacher, 'teacher', (p) => {
      const { logits } = network.forward(p, inputTensors(types));
      if (!logits) throw new QuintetError('unsupported', 'it gives no scores of words', { at: path });
      return { teacher_logits: logits };
    });
    return {
      ...source,
      fields: [...source.fields, 'teacher_logits'],
      async take(step, now) {
        const taught = [];
        for (const batch of await source.take(step, now)) {
          const feeds = Object.entries(batch).filter(([name]) => session.inputs.includes(name));
          taught.push({ ...batch, ...(await session.run(Object.fromEntries(feeds))) });
        }
        return taught;
      },
      close: () => closeAll(source, session, teacher),
    };
  });
}

type Input = System['inputs'][string];

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
