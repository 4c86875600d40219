/** An ONNX model as bytes. Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). */

import type { OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode, OnnxValue } from './model.js';
import { ProtobufWriter } from './protobuf.js';
import { onnxTypes } from './types.js';

/** The version of the format that came with operator set 23. */
const IR_VERSION = 11;

/** Operator sets: 23 is the first with RotaryEmbedding; Gelu came with 20, axes as inputs with 18. */
const OPERATOR_SETS = { '': 23, 'com.microsoft': 1 } as const;

/** Bytes outside of the model: of a file, or of memory that the engine is given under a name. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The bytes of a model. `place` says which initialisers stay outside of it, and where: all that lie in files, and those
 * in memory that it wants to; undefined writes the bytes into the model. The whole may not exceed protobuf's 2 GiB.
 */
export function onnxBytes(
  model: OnnxModel,
  place: (initializer: OnnxInitializer) => ExternalRange | undefined = () => undefined,
): Uint8Array {
  const w = new ProtobufWriter();
  w.int(1, IR_VERSION);
  w.string(2, 'quintet');
  w.message(7, () => {
    for (const node of model.nodes) w.message(1, () => writeNode(w, node));
    w.string(2, model.name);
    for (const initializer of model.initializers) {
      const empty = initializer.shape.includes(0);
      w.message(5, () => writeInitializer(w, initializer, empty ? undefined : place(initializer)));
    }
    for (const value of model.inputs) w.message(11, () => writeValue(w, value));
    for (const value of model.outputs) w.message(12, () => writeValue(w, value));
    for (const value of model.values) w.message(13, () => writeValue(w, value));
  });
  for (const [domain, version] of Object.entries(OPERATOR_SETS)) {
    w.message(8, () => {
      w.string(1, domain);
      w.int(2, version);
    });
  }
  return w.finish();
}

function writeNode(w: ProtobufWriter, node: OnnxNode): void {
  for (const input of node.inputs) w.string(1, input);
  for (const output of node.outputs) w.string(2, output);
  w.string(3, node.name);
  w.string(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    w.message(5, () => writeAttribute(w, name, attribute));
  }
  w.string(7, node.domain);
}

function writeAttribute(w: ProtobufWriter, name: string, attribute: OnnxAttribute): void {
  const type = (value: number) => w.int(20, value);
  w.string(1, name);
  if ('float' in attribute) {
    w.float(2, attribute.float);
    type(1);
  } else if ('int' in attribute) {
    w.int(3, attribute.int);
    type(2);
  } else if ('string' in attribute) {
    w.string(4, attribute.string);
    type(3);
  } else if ('floats' in attribute) {
    w.floats(7, attribute.floats);
    type(6);
  } else {
    w.ints(8, attribute.ints);
    type(7);
  }
}

function writeInitializer(w: ProtobufWriter, initializer: OnnxInitializer, external?: ExternalRange): void {
  const { name, dtype, shape, source } = initializer;
  w.ints(1, shape);
  w.int(2, onnxTypes[dtype]);
  w.string(8, name);
  if (!external) {
    w.bytes(9, 'bytes' in source ? source.bytes : new Uint8Array());
    return;
  }
  for (const [key, value] of Object.entries(external)) {
    w.message(13, () => {
      w.string(1, key);
      w.string(2, `${value}`);
    });
  }
  w.int(14, 1); // data_location: external
}

function writeValue(w: ProtobufWriter, { name, dtype, shape }: OnnxValue): void {
  w.string(1, name);
  w.message(2, () => {
    w.message(1, () => {
      w.int(1, onnxTypes[dtype]);
      w.message(2, () => {
        for (const dim of shape) {
          w.message(1, () => (typeof dim === 'number' ? w.int(1, dim) : w.string(2, dim)));
        }
      });
    });
  });
}
