/** The values of rows that learn apart from their table: taken from it before a stage, and put back behind it. */

import { layeredWeights, type Model } from '../model/index.js';
import type { Declaration } from '../nn/index.js';
import { type HostArrays, isSystem, type TableRows } from '../system/index.js';
import { type HostArray, sliceRows } from '../tensor/index.js';

/** What a parameter begins with: of rows [R, D], what their table has there. */
export async function beginning(
  model: Model,
  declaration: Declaration,
  rows: readonly TableRows[],
): Promise<HostArray> {
  const own = rows.find(({ name }) => name === declaration.name);
  if (!own) return model.weights.read(declaration);
  return sliceRows(await tableOf(model, own.table, {}), own.from, own.to);
}

/** The tables with what the rows have become in them, and no more rows. */
export async function withRows(model: Model, rows: readonly TableRows[], values: HostArrays): Promise<HostArrays> {
  const result: Record<string, HostArray> = { ...values };
  for (const { name, table, from } of rows) {
    const { dtype, shape, data } = await tableOf(model, table, result);
    const own = result[name] as HostArray;
    const whole = Float32Array.from(data as Float32Array);
    whole.set(own.data as Float32Array, from * (shape[1] as number));
    result[table] = { dtype, shape, data: whole };
    delete result[name];
  }
  return result;
}

async function tableOf({ weights, declarations }: Model, name: string, values: HostArrays): Promise<HostArray> {
  return values[name] ?? weights.read(declarations.get(name) as Declaration);
}

/**
 * The model as it learns. It is one and the same, whose sessions are given the values as they are; a new one each time where rows
 * learn apart from their table, or virtual tokens, whose keys a session begins with.
 */
export function learningModel(model: Model, rows: readonly TableRows[], values: HostArrays): () => Promise<Model> {
  const anew = (): Promise<Model> => withLearnt(model, rows, values);
  if (rows.length > 0 || (isSystem(model.network) && model.network.virtual)) return anew;
  let living: Promise<Model> | undefined;
  return () => {
    living ??= anew().then((own) => ({ ...own, living: values }));
    return living;
  };
}

/** The model with what was learnt so far, the very numbers: without the integers that others would be packed in. */
export async function withLearnt(
  { pack: _, ...model }: Model,
  rows: readonly TableRows[],
  values: HostArrays,
): Promise<Model> {
  const learnt = new Map(Object.entries(await withRows(model, rows, values)));
  return { ...model, weights: layeredWeights(model.weights, learnt) };
}
