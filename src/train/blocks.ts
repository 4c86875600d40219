/** Blocks of a network as its parameters' names tell them. */

/**
 * The block that a parameter belongs to: its path up to the first number, such as `model.layers.3`; undefined for one of no
 * block.
 */
export function blockOf(parameter: string): string | undefined {
  return /^(?:[^.]*\.)*?\d+(?=\.)/.exec(parameter)?.[0];
}
