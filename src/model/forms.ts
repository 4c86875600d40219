/** The forms in which a model is held. */

/**
 * How the weights of a language model are held. `auto`: blocks of integers as a file has them, exactly, and prompts in
 * eight bits; everything else in f32. `int4` and `int8`: rounded to blocks of four or eight bits where the file does not
 * have blocks already; `int4` also reads prompts with the blocks, in the least memory. `f32`: as floating-point numbers.
 */
export type WeightsOption = (typeof weightsOptions)[number];
export const weightsOptions = ['auto', 'f32', 'int8', 'int4'] as const;

/** How keys and values of what was read are held: as they are computed, or rounded to eight bits. */
export type CacheForm = (typeof cacheForms)[number];
export const cacheForms = ['f32', 'int8'] as const;
