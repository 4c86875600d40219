/** Labels with this value are no targets, as in PyTorch's cross entropy. */
export const ignored = -100;
