/** The wire format, against the examples of https://protobuf.dev/programming-guides/encoding/. */
import { expect, test } from 'vitest';
import { ProtobufWriter } from '../../src/onnx/protobuf.js';

function written(body: (w: ProtobufWriter) => void): string {
  const w = new ProtobufWriter();
  body(w);
  return Buffer.from(w.finish()).toString('hex');
}

test('numbers are varints, negative ones of ten bytes', () => {
  expect(written((w) => w.int(1, 150))).toBe('089601');
  expect(written((w) => w.int(1, -2))).toBe('08feffffffffffffffff01');
  expect(written((w) => w.int(1, Number.MAX_SAFE_INTEGER))).toBe('08ffffffffffffff0f');
});

test('text carries its length in bytes', () => {
  expect(written((w) => w.string(2, 'testing'))).toBe('120774657374696e67');
  expect(written((w) => w.string(2, 'ß'))).toBe('1202c39f');
});

test('floating-point numbers are little-endian', () => {
  expect(written((w) => w.float(2, 1))).toBe('150000803f');
  expect(written((w) => w.double(1, -2))).toBe('0900000000000000c0');
  expect(written((w) => w.floats(7, [1, -2]))).toBe('3a080000803f000000c0');
});

test('the length of a nested message is a varint of five bytes', () => {
  expect(written((w) => w.message(3, () => w.int(1, 150)))).toBe('1a8380808000089601');
  expect(written((w) => w.ints(6, [3, 270, 86942]))).toBe('32868080800003' + '8e02' + '9ea705');
});

test('what is written survives the growth of the buffer', () => {
  const long = new Uint8Array(100_000).fill(7);
  const hex = written((w) =>
    w.message(1, () => {
      w.message(1, () => w.bytes(1, long));
      w.int(2, 1);
    }),
  );
  expect(hex).toBe(`0a${varint5(100_012)}0a${varint5(100_004)}0aa08d06${'07'.repeat(100_000)}1001`);
});

function varint5(value: number): string {
  const bytes = Array.from({ length: 5 }, (_, i) => (Math.floor(value / 128 ** i) % 128) | (i < 4 ? 128 : 0));
  return Buffer.from(bytes).toString('hex');
}
