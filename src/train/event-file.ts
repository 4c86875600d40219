/**
 * A run's log as TensorBoard reads it: records of TensorFlow's TFRecord format, each of them an `Event` of protobuf.
 *
 * https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto (event, summary, tensor)
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ProtobufWriter } from '../onnx/protobuf.js';
import { maskedCrc32c } from './crc32c.js';
import { type LogRecord, scalarsOf, textsOf } from './log-record.js';

export interface EventFile {
  append(record: LogRecord): Promise<void>;
  /** The log was cut back behind a step: what TensorBoard has read of later ones is taken back with the next record. */
  rewind(step: number): void;
  close(): Promise<void>;
}

/**
 * Each process writes a file of its own, which begins with its first record. What lies in the files of earlier ones stays
 * there: the new file says from which step on it takes their place.
 */
export function openEventFile(folder: string): EventFile {
  let file: FileHandle | undefined;
  let resumed: number | undefined;
  return {
    async append(record) {
      const before = [
        ...(file ? [] : [versionEvent(record)]),
        ...(resumed === undefined ? [] : [restartEvent(record, resumed)]),
      ];
      resumed = undefined;
      file ??= await open(join(folder, await freeName(folder)), 'ax');
      for (const bytes of [...before, ...eventsOf(record)]) await file.appendFile(framed(bytes));
    },
    rewind(step) {
      resumed = step + 1;
    },
    close: async () => file?.close(),
  };
}

const beginning = 'events.out.tfevents.';

/** TensorBoard reads the files of a folder in the order of their names. */
async function freeName(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(beginning));
  const last = Math.max(0, ...names.map((name) => Number.parseInt(name.slice(beginning.length), 10) || 0));
  return `${beginning}${String(last + 1).padStart(6, '0')}.quintet`;
}

/** Length, its checksum, the bytes, their checksum. */
function framed(bytes: Uint8Array): Uint8Array {
  const record = new Uint8Array(bytes.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc32c(bytes), true);
  return record;
}

type Body = (w: ProtobufWriter) => void;

function message(body: Body): Uint8Array {
  const w = new ProtobufWriter();
  body(w);
  return w.finish();
}

/** A message within another one, its length in as few bytes as it takes: the form that TensorFlow writes. */
const within = (w: ProtobufWriter, field: number, body: Body): void => w.bytes(field, message(body));

/** When, at which step, and what. */
function event({ at = 0 }: LogRecord, step: number, body: Body): Uint8Array {
  return message((w) => {
    w.double(1, at / 1000);
    if (step !== 0) w.int(2, step);
    body(w);
  });
}

const versionEvent = (record: LogRecord): Uint8Array => event(record, 0, (w) => w.string(3, 'brain.Event:2'));

/** SessionLog.START: everything from this step on comes anew. */
const restartEvent = (record: LogRecord, step: number): Uint8Array =>
  event(record, step, (w) => within(w, 7, (log) => log.int(1, 1)));

/** A record's numbers, and answers as texts. */
function eventsOf(record: LogRecord): Uint8Array[] {
  const values: Body[] = [
    ...Object.entries(scalarsOf(record)).map(([tag, value]) => scalarValue(tag, value)),
    ...Object.entries(textsOf(record)).map(([tag, text]) => textValue(tag, text)),
  ];
  const summary: Body = (w) => {
    for (const value of values) within(w, 1, value);
  };
  return values.length > 0 ? [event(record, record.step, (w) => within(w, 5, summary))] : [];
}

const scalarValue =
  (tag: string, value: number): Body =>
  (w) => {
    w.string(1, tag);
    w.float(2, value);
  };

/** A tensor of one string, for the plugin that shows texts. */
const textValue =
  (tag: string, text: string): Body =>
  (w) => {
    w.string(1, `${tag}/text_summary`);
    within(w, 8, (tensor) => {
      tensor.int(1, 7); // DT_STRING
      within(tensor, 2, (shape) => within(shape, 2, (dimension) => dimension.int(1, 1)));
      tensor.string(8, text);
    });
    within(w, 9, (metadata) => within(metadata, 1, (plugin) => plugin.string(1, 'text')));
  };
