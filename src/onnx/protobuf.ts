/** Writing the protobuf wire format: varints, little-endian floats, and length-delimited fields. */

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** How many bytes the length of a nested message takes: it is filled in afterwards, so its room is fixed. */
const LENGTH_BYTES = 5;

const utf8 = new TextEncoder();

/** Appends fields to one growing buffer. */
export class ProtobufWriter {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  /** What has been written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A whole number; negative ones take ten bytes, as the format has it. */
  int(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  float(field: number, value: number): void {
    this.#tag(field, FIXED32);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, DELIMITED);
    this.#delimited(value);
  }

  string(field: number, value: string): void {
    const { length } = value;
    this.#tag(field, DELIMITED);
    this.#reserve(length + 10);
    const lengthAt = this.#length;
    this.#varint(length);
    // Names are short and of ASCII: an encoder takes longer to be called than they take to be copied.
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) {
        this.#length = lengthAt;
        this.#delimited(utf8.encode(value));
        return;
      }
      this.#byte(code);
    }
  }

  /** A repeated field of whole numbers in its packed form. */
  ints(field: number, values: readonly number[]): void {
    this.message(field, () => {
      for (const value of values) this.#varint(value);
    });
  }

  /** A repeated field of floating-point numbers in its packed form. */
  floats(field: number, values: readonly number[]): void {
    this.bytes(field, new Uint8Array(new Float32Array(values).buffer));
  }

  /** A nested message, whose fields `body` writes. */
  message(field: number, body: () => void): void {
    this.#tag(field, DELIMITED);
    this.#reserve(LENGTH_BYTES);
    const start = this.#length + LENGTH_BYTES;
    this.#length = start;
    body();
    // A varint may be longer than it needs to be: the bits that say "more follows" are set on all bytes but the last.
    let length = this.#length - start;
    for (let i = 0; i < LENGTH_BYTES; i++) {
      this.#bytes[start - LENGTH_BYTES + i] = (length % 128) | (i < LENGTH_BYTES - 1 ? 128 : 0);
      length = Math.floor(length / 128);
    }
  }

  #delimited(value: Uint8Array): void {
    this.#varint(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 128n; rest >>= 7n) this.#byte(Number(rest & 127n) | 128);
      this.#byte(Number(rest));
      return;
    }
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 128);
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#bytes[this.#length++] = value;
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
