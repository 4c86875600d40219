/** `quintet recipes`: the systems of the literature that can be built. */

import { recipes as all } from '../recipes/index.js';
import { declarationsOf, parameterCount } from '../system/index.js';
import { formatCount, formatTable } from './format.js';
import { invocation } from './invocation.js';

export interface RecipeSummary {
  readonly name: string;
  /** What `config.json` calls it. */
  readonly modelTypes: readonly string[];
  readonly paper?: string;
  readonly sizes: readonly { readonly name: string; readonly parameters: number }[];
}

export function recipes({ json = false }: { readonly json?: boolean }): void {
  const found = all.map(summaryOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : `${tableOf(found)}\n`);
}

/** Parameters are counted by tracing: no weights are needed. */
function summaryOf({ name, modelTypes, sizes, of }: (typeof all)[number]): RecipeSummary {
  const built = sizes.map((size) => ({ size, network: of(size) }));
  const paper = built[0]?.network.paper;
  return {
    name,
    modelTypes,
    ...(paper === undefined ? {} : { paper }),
    sizes: built.map(({ size, network }) => ({
      name: size,
      parameters: parameterCount(declarationsOf(network).values()),
    })),
  };
}

function tableOf(found: readonly RecipeSummary[]): string {
  const rows = found.flatMap(({ name, paper = '', sizes, modelTypes }) =>
    sizes.map((size, i) => [
      i === 0 ? name : '',
      size.name,
      formatCount(size.parameters),
      i === 0 ? paper : '',
      i === 0 ? modelTypes.join(', ') : '',
    ]),
  );
  const table = formatTable([['recipe', 'size', 'parameters', 'paper', 'model_type'], ...rows]);
  return `${table}\n\n${invocation()} info RECIPE:SIZE says more about one of them.`;
}
