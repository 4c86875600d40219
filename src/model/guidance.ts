/** Classifier-free guidance: Ho and Salimans, 2022, https://arxiv.org/abs/2207.12598 */

/** What a model says with its condition, taken further from what it says without: by 1 not at all. Arrays of one length. */
export function guided(told: Float32Array, untold: Float32Array, guidance: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(told, (value, i) => {
    const without = untold[i] as number;
    return without + guidance * (value - without);
  });
}
