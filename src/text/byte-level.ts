/**
 * GPT-2's spelling of bytes as printable characters: a space is `Ġ`, a newline `Ċ`. A ByteLevel vocabulary is written so.
 *
 * Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; table: openai/gpt-2, src/encoder.py
 */

const charOfByte: string[] = [];
const byteOfChar = new Map<string, number>();

for (let byte = 0, unprintable = 0; byte < 256; byte++) {
  const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const char = String.fromCharCode(printable ? byte : 256 + unprintable++);
  charOfByte.push(char);
  byteOfChar.set(char, byte);
}

const encoder = new TextEncoder();

/** The bytes of a text, each as its character. */
export function byteChars(text: string): string {
  if (/^[!-~]*$/.test(text)) return text;
  let result = '';
  for (const byte of encoder.encode(text)) result += charOfByte[byte];
  return result;
}

/** The bytes that a token spells; a token that holds any other character stands for its own UTF-8. */
export function bytesOfChars(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of token) {
    const byte = byteOfChar.get(char);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
