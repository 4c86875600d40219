/** What a run is given, checked against what the model declares before any engine sees it. */
import type { OnnxModel, OnnxValue } from '../onnx/index.js';
import {
  byteSizeOf,
  type Dim,
  evaluateDim,
  formatShape,
  type HostArray,
  lettersOf,
  nearest,
  QuintetError,
  type Shape,
} from '../tensor/index.js';
import type { RunOptions } from './engine.js';

export type Arrays = Readonly<Record<string, HostArray>>;

/** What each symbolic dimension of a model's inputs is in a run, by the dimension as it is written. */
export type Sizes = ReadonlyMap<Dim, number>;

/**
 * Checks that exactly the inputs are fed, in their types and shapes, with one size for each letter. Throws a QuintetError
 * of code 'name', 'dtype' or 'shape'.
 */
export function checkFeeds(model: OnnxModel, feeds: Arrays): Sizes {
  const sizes = new Map<Dim, number>();
  for (const input of model.inputs) {
    const array = feeds[input.name];
    if (!array) throw new QuintetError('name', `input "${input.name}" is not fed`, { at: model.name });
    checkArray(model, `input "${input.name}"`, input, array);
    for (const [axis, dim] of input.shape.entries()) {
      const size = array.shape[axis] as number;
      const expected = typeof dim === 'number' ? dim : (sizes.get(dim) ?? size);
      if (size !== expected) {
        const why = typeof dim === 'number' ? `axis ${axis} has ${size} places, not ${dim}` : `${dim} is ${expected}`;
        throw mismatch(model, `input "${input.name}"`, input, array, why);
      }
      if (typeof dim === 'string') sizes.set(dim, size);
    }
  }
  const names = Object.keys(feeds);
  if (names.length > model.inputs.length) throw unknownName(model, 'input', names, model.inputs);
  for (const [dim, size] of sizes) {
    const computed = isLetter(dim) ? size : sizeFrom(dim, sizes);
    if (computed !== undefined && computed !== size) {
      throw new QuintetError('shape', `${dim} is fed as ${size}, but its letters make it ${computed}`, {
        at: model.name,
      });
    }
  }
  return sizes;
}

/** The outputs that a run gives, each with the array that it is to be written into. Throws as `checkFeeds` does. */
export function wantedOutputs(
  model: OnnxModel,
  { fetch, into = {} }: RunOptions,
  sizes: Sizes,
): { readonly output: OnnxValue; readonly into: HostArray | undefined }[] {
  const outputs = fetch
    ? fetch.map((name) => {
        const output = model.outputs.find((value) => value.name === name);
        if (!output) throw unknownName(model, 'output', [name], model.outputs);
        return output;
      })
    : model.outputs;
  const wanted = outputs.map((output) => ({ output, into: into[output.name] }));
  const names = Object.keys(into);
  if (names.length > wanted.filter((x) => x.into).length) throw unknownName(model, 'wanted output', names, outputs);
  for (const { output, into: array } of wanted) {
    if (!array) continue;
    checkArray(model, `output "${output.name}"`, output, array);
    const shape = shapeFrom(output.shape, sizes);
    if (shape?.some((size, axis) => size !== array.shape[axis])) {
      throw mismatch(model, `output "${output.name}"`, output, array, `it will be ${formatShape(shape)}`);
    }
  }
  return wanted;
}

/** A shape in numbers, or undefined where it has letters that the inputs do not tell. */
export function shapeFrom(shape: Shape, sizes: Sizes): number[] | undefined {
  const result = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim) ?? sizeFrom(dim, sizes))));
  return result.some((size) => size === undefined) ? undefined : (result as number[]);
}

/** A dimension computed from its letters, or undefined where they are not all known. */
function sizeFrom(dim: Dim, sizes: Sizes): number | undefined {
  const letters = lettersOf(dim);
  return letters.every((letter) => sizes.has(letter)) ? evaluateDim(dim, sizes as Map<string, number>) : undefined;
}

function checkArray(model: OnnxModel, what: string, { dtype, shape }: OnnxValue, array: HostArray): void {
  if (array.dtype !== dtype) {
    throw new QuintetError('dtype', `${what} is ${dtype}, not ${array.dtype}`, { at: model.name });
  }
  if (array.shape.length !== shape.length) {
    throw new QuintetError('shape', `${what} is ${formatShape(shape)}, not ${formatShape(array.shape)}`, {
      at: model.name,
    });
  }
  // An array whose memory was given away, to a worker say, has no bytes left.
  if (array.data.byteLength !== byteSizeOf(dtype, array.shape)) {
    const message = `${what}: ${array.data.byteLength} bytes are not ${dtype} ${formatShape(array.shape)}`;
    throw new QuintetError('shape', message, { at: model.name });
  }
}

function mismatch(model: OnnxModel, what: string, value: OnnxValue, array: HostArray, why: string): QuintetError {
  const message = `${what} is ${formatShape(value.shape)}, not ${formatShape(array.shape)}: ${why}`;
  return new QuintetError('shape', message, { at: model.name });
}

function unknownName(
  model: OnnxModel,
  kind: string,
  names: readonly string[],
  known: readonly OnnxValue[],
): QuintetError {
  const right = known.map((value) => value.name);
  const wrong = names.find((name) => !right.includes(name)) ?? (names[0] as string);
  const near = nearest(wrong, right);
  const hint = near ? `did you mean "${near}"?` : `${kind}s: ${right.join(', ') || 'none'}`;
  return new QuintetError('name', `there is no ${kind} "${wrong}"`, { at: model.name, hint });
}

/** Whether a dimension is one letter, not computed from others. */
function isLetter(dim: Dim): boolean {
  return typeof dim === 'string' && /^\w+$/.test(dim);
}
