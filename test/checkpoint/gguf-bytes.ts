/** Writes GGUF files, right or wrong ones, for tests. */

export interface GgufValue {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface GgufTensor {
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly type: number;
  readonly bytes: Uint8Array;
  /** What the file says, where it should not be the truth. */
  readonly offset?: number;
}

export function u32(value: number): GgufValue {
  return { type: 4, bytes: new Uint8Array(new Uint32Array([value]).buffer) };
}

export function texts(value: string): GgufValue {
  return { type: 8, bytes: text(value) };
}

function u64(value: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return joined([u64(bytes.byteLength), bytes]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

function padded(bytes: Uint8Array): Uint8Array {
  return joined([bytes, new Uint8Array((32 - (bytes.byteLength % 32)) % 32)]);
}

/** A GGUF file of version 3, its tensors aligned to 32 bytes. */
export function ggufBytes(pairs: readonly [string, GgufValue][], tensors: readonly GgufTensor[]): Uint8Array {
  const parts = [new TextEncoder().encode('GGUF'), u32(3).bytes, u64(tensors.length), u64(pairs.length)];
  for (const [key, value] of pairs) parts.push(text(key), u32(value.type).bytes, value.bytes);
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(text(tensor.name), u32(tensor.shape.length).bytes, ...[...tensor.shape].reverse().map(u64));
    parts.push(u32(tensor.type).bytes, u64(tensor.offset ?? offset));
    offset += Math.ceil(tensor.bytes.byteLength / 32) * 32;
  }
  return joined([padded(joined(parts)), ...tensors.map((tensor) => padded(tensor.bytes))]);
}
