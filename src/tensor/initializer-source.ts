/**
 * Where the bytes of a tensor are: in memory, or a range of a file that an engine may map. Bytes that were made for one
 * session are given away: the engine lays them out anew, and nobody holds them any longer.
 */
export type InitializerSource =
  | { readonly bytes: Uint8Array; readonly givenAway?: boolean }
  | { readonly file: string; readonly offset: number; readonly length: number };
